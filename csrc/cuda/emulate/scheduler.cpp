// Runs the blocks of a launch one after another, and the threads of a block in turn, each until it
// must wait.  Barriers and warp operations end a wait once all that they need have come; if nothing
// can go on, the launch is a deadlock and says who waits where.
#include "cuda/emulate/scheduler.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>

#include "cuda/emulate/fiber.h"
#include "cuda/emulate/options.h"
#include "cuda/emulate/sanitizer.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace lamina::cuda::emulate {

Thread* current = nullptr;

namespace {

constexpr unsigned kMaxThreads = 1024, kMaxGridYZ = 65535, kMaxBlockZ = 64;
// Of a multiprocessor: its shared memory, of which the system takes some for each block; its threads and blocks.
constexpr size_t kSharedMemory = 228 * 1024, kSharedOfBlock = 1024;
constexpr unsigned kResidentThreads = 2048;
constexpr int kResidentBlocks = 32;

std::mutex one_launch;
Fiber* home = nullptr;  // the scheduler's own
const char* failure = nullptr;
char launched, finished;  // addresses for ThreadSanitizer: what a launch orders with its caller

[[noreturn]] void thread_main() {
  Fiber::arrived();
  for (;;) {  // a fiber runs one emulated thread after another
    sanitizer::acquire(&launched);
    current->block->grid->entry(current->block->grid->arguments);
    sanitizer::release(&finished);
    suspend(Wait::done, "");
  }
}

// Fibers between threads.  Under ThreadSanitizer a fiber is an identity, so that no two threads of a
// launch may share one: each takes the next, and all are used in turn.
class Fibers {
 public:
  Fiber* take(size_t alive) {
    if (sanitizer::kRaces) {
      while (all_.size() <= alive) add();
      return all_[next_++ % all_.size()].get();
    }
    if (idle_.empty()) {
      add();
      return all_.back().get();
    }
    Fiber* fiber = idle_.back();
    idle_.pop_back();
    return fiber;
  }
  void give(Fiber* fiber) {
    if (!sanitizer::kRaces) idle_.push_back(fiber);
  }
  void abandon() {  // threads stopped half-way are left on their stacks
    for (auto& fiber : all_) static_cast<void>(fiber.release());
    all_.clear();
    idle_.clear();
  }

 private:
  void add() { all_.push_back(std::make_unique<Fiber>(&thread_main)); }

  std::vector<std::unique_ptr<Fiber>> all_;
  std::vector<Fiber*> idle_;
  size_t next_ = 0;
};

Fibers& fibers() {
  static Fibers* const instance = new Fibers;  // outlives whatever still launches at the end
  return *instance;
}

// A block and its warps, in the order that their threads run in.
struct Running {
  Block block;
  std::vector<std::vector<Thread*>> warps;

  Running(const Grid& grid, unsigned position) : block(grid, position) {
    for (Thread& thread : block.threads) {
      if (thread.lane == 0) warps.emplace_back();
      warps.back().push_back(&thread);
    }
    if (options().order != Order::reverse) return;
    std::reverse(warps.begin(), warps.end());
    for (auto& warp : warps) std::reverse(warp.begin(), warp.end());
  }
};

// The blocks that are alive together: one, or all of a cooperative launch.  Each runs as far as it gets
// without the others, so that what it takes from them without waiting is not there yet.
class Blocks {
 public:
  Blocks(const Grid& grid, unsigned first, unsigned count, std::mt19937& random) : random_(random) {
    for (unsigned i = first; i < first + count; ++i)
      blocks_.push_back(std::make_unique<Running>(grid, i));
    live_ = blocks_[0]->block.live * count;
    if (options().order == Order::reverse) std::reverse(blocks_.begin(), blocks_.end());
  }

  void run() {
    while (live_ > 0 && !failure) {
      if (options().order == Order::shuffled) std::shuffle(blocks_.begin(), blocks_.end(), random_);
      bool ran = false;
      for (auto& running : blocks_)
        while (!failure &&
               (run_ready(*running) || open_block(running->block) || land_one(running->block)))
          ran = true;
      if (!ran && !failure && !open_grid())
        failure = "deadlock: threads wait for others that never come";
    }
  }

  std::string waiting() const {
    std::string text;
    int shown = 0;
    for (const auto& running : blocks_)
      for (const Thread& t : running->block.threads) {
        if (t.wait == Wait::done || !*t.op || shown++ >= 4) continue;
        const uint3 index = running->block.index;
        text += "; block (" + std::to_string(index.x) + ", " + std::to_string(index.y) + ", " +
                std::to_string(index.z) + ") thread " + std::to_string(t.linear) + " waits in " +
                t.op;
      }
    return text;
  }

 private:
  bool run_ready(Running& running) {
    const bool shuffled = options().order == Order::shuffled;
    if (shuffled) std::shuffle(running.warps.begin(), running.warps.end(), random_);
    bool ran = false;
    for (auto& warp : running.warps) {
      if (shuffled) std::shuffle(warp.begin(), warp.end(), random_);
      for (bool again = true; again && !failure;) {
        again = false;
        for (Thread* thread : warp)
          if (thread->wait == Wait::nothing && !failure) {
            resume(*thread);
            again = ran = true;
          }
      }
    }
    return ran;
  }

  void resume(Thread& thread) {
    if (!thread.fiber) thread.fiber = fibers().take(live_);
    current = &thread;
    threadIdx = thread.index;
    blockIdx = thread.block->index;
    home->switch_to(*thread.fiber);
    if (thread.wait == Wait::done) {
      --live_;
      --thread.block->live;
      fibers().give(thread.fiber);
    }
  }

  static bool open_block(Block& block) {
    if (block.live == 0 || waiting_in(block, Wait::block_barrier) < block.live) return false;
    open(block, Wait::block_barrier);
    return true;
  }

  bool open_grid() {
    unsigned waiting = 0;
    for (auto& running : blocks_) waiting += waiting_in(running->block, Wait::grid_barrier);
    if (waiting < live_) return false;
    for (auto& running : blocks_) open(running->block, Wait::grid_barrier);
    return true;
  }

  // One bulk copy: the oldest, the youngest or any, as threads run.
  bool land_one(Block& block) {
    const size_t count = block.boxes.size();
    if (count == 0) return false;
    const Order order = options().order;
    land_box(block, order == Order::forward   ? 0
                    : order == Order::reverse ? count - 1
                                              : random_() % count);
    return true;
  }

  static unsigned waiting_in(const Block& block, Wait kind) {
    return static_cast<unsigned>(std::count_if(block.threads.begin(), block.threads.end(),
                                               [&](const Thread& t) { return t.wait == kind; }));
  }

  static void open(Block& block, Wait kind) {
    ++(kind == Wait::grid_barrier ? block.grid_barriers : block.barriers);
    for (Thread& t : block.threads)
      if (t.wait == kind) t.wait = Wait::nothing;
  }

  std::mt19937& random_;
  std::vector<std::unique_ptr<Running>> blocks_;
  unsigned live_;
};

}  // namespace

void suspend(Wait kind, const char* op) {
  Thread& me = *current;
  me.op = op;
  me.wait = kind;
  me.fiber->switch_to(*home);
}

void give_up(const char* why) {
  failure = why;
  suspend(Wait::warp, why);
}

int resident_blocks(unsigned threads, size_t dynamic_shared) {
  const auto by_threads = static_cast<int>(kResidentThreads / threads);
  const auto by_shared = static_cast<int>(kSharedMemory / (dynamic_shared + kSharedOfBlock));
  return std::min({by_threads, by_shared, kResidentBlocks});
}

void run(const Grid& grid) {
  const dim3 g = grid.grid, b = grid.block;
  const size_t total = size_t{g.x} * g.y * g.z, threads = size_t{b.x} * b.y * b.z;
  if (total == 0 || g.y > kMaxGridYZ || g.z > kMaxGridYZ || g.x > 0x7fffffffu || threads == 0 ||
      threads > kMaxThreads || b.z > kMaxBlockZ || grid.dynamic_shared > kMostShared)
    throw std::runtime_error("[emulate] a launch configuration that a device refuses");
  if (grid.cooperative &&
      total > static_cast<size_t>(kMultiprocessors * resident_blocks(static_cast<unsigned>(threads),
                                                                     grid.dynamic_shared)))
    throw std::runtime_error("[emulate] a cooperative launch of more blocks than a device holds");
  const std::lock_guard guard(one_launch);
  Fiber self;
  home = &self;
  failure = nullptr;
  blockDim = b;
  gridDim = g;
  std::mt19937 random(options().seed);
  sanitizer::release(&launched);
  const auto step = static_cast<unsigned>(grid.cooperative ? total : 1);
  for (unsigned first = 0; first < total; first += step) {
    Blocks blocks(grid, first, step, random);
    blocks.run();
    if (!failure) continue;
    fibers().abandon();
    throw std::runtime_error(std::string("[emulate] ") + failure + blocks.waiting());
  }
  sanitizer::acquire(&finished);
}

}  // namespace lamina::cuda::emulate

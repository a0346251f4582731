// A pool of worker threads that take chunks beside the callers (slot.h).  Workers without work spin
// for a while, then park.
#include "core/parallel.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <new>
#include <thread>
#include <type_traits>

#include "core/check.h"
#include "core/cores.h"
#include "core/futex.h"
#include "core/scope.h"
#include "core/slot.h"

namespace lamina {
namespace {

using namespace std::chrono_literals;

constexpr int kSlots = 8;             // regions at once; further callers run theirs inline
constexpr auto kWorkerSpin = 1500us;  // longer than the gaps between the ops of a training step
constexpr auto kCrowdedSpin = 20us;   // with more threads than cores, who spins keeps another out

thread_local bool in_region = false;

struct Pool {
  Slot slots[kSlots];
  alignas(64) std::atomic<uint32_t> slots_in_use{0};  // one bit each
  alignas(64) std::atomic<uint32_t> published{0};  // counts regions; the word on which workers park
  std::atomic<int> parked{0};
  std::atomic<bool> stopping{false};
  alignas(64) std::atomic<int> threads{0};  // 0: not asked for yet
  std::atomic<int> workers{0};              // started and not gone
  std::atomic<bool> started{false};
  std::atomic<bool> crowded{false};
  std::mutex lock;  // of starting and stopping

  Slot* acquire_slot();
  void release_slot(Slot* slot) {
    slots_in_use.fetch_and(~(1u << (slot - slots)), std::memory_order_release);
  }
  void start();
  void stop();
  // Parked workers are woken as a tree: the publisher wakes two, each of those two more, while
  // there is work for them.
  void wake(int64_t chunks) {
    const int sleeping = parked.load();
    if (sleeping > 0 && chunks > workers - sleeping) futex_wake(published, 2);
  }
  int64_t unclaimed() const {
    int64_t sum = 0;
    for (const Slot& slot : slots)
      sum += std::max<int64_t>(slot.unclaimed.load(std::memory_order_relaxed), 0);
    return sum;
  }
  bool work(int thread) {
    bool any = false;
    for (Slot& slot : slots)
      if (const int64_t taken = slot.take(thread)) {
        slot.report(taken);
        any = true;
      }
    return any;
  }
  void serve(int thread);
};

// The pool outlives every thread, so workers that are still spinning when the process exits touch
// nothing that is gone.
static_assert(std::is_trivially_destructible_v<Pool>);
constinit Pool pool;

Slot* Pool::acquire_slot() {
  uint32_t used = slots_in_use.load(std::memory_order_relaxed);
  for (;;) {
    const int free = __builtin_ctz(~used);
    if (free >= kSlots) return nullptr;
    if (slots_in_use.compare_exchange_weak(used, used | (1u << free), std::memory_order_acquire))
      return &slots[free];
  }
}

// A worker's life; `thread` is its number, from 1.
void Pool::serve(int thread) {
  const KernelScope flush_denormals;
  in_region = true;  // whatever a chunk calls runs inline
  for (;;) {
    const uint32_t seen = published.load();
    if (work(thread)) continue;
    const auto news = [&] { return published.load(std::memory_order_relaxed) != seen; };
    if (!stopping.load(std::memory_order_relaxed) &&
        spin(crowded ? kCrowdedSpin : kWorkerSpin, news))
      continue;
    if (stopping.load()) break;
    parked.fetch_add(1);
    futex_wait(published, seen);
    parked.fetch_sub(1);
    wake(unclaimed());
  }
  workers.fetch_sub(1);
}

void Pool::start() {
  const std::lock_guard guard(lock);
  if (started) return;
  crowded = threads > affinity_cores();
  // SIGINT must reach the interpreter's main thread, so the workers take no signals at all.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int wanted = threads - 1;
  while (workers < wanted) {
    const int thread = workers.fetch_add(1) + 1;
    try {
      std::thread([thread] { pool.serve(thread); }).detach();
    } catch (const std::exception&) {
      workers.fetch_sub(
          1);  // the system gives no more threads: those that run, and the callers, do the work
      break;
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  started = true;
}

void Pool::stop() {
  stopping = true;
  published.fetch_add(1);
  futex_wake(published, kMaxThreads);
  while (workers > 0) std::this_thread::yield();
  stopping = false;
  started = false;
}

// The child of a fork has none of the workers, and slots and locks in whatever state they were:
// begin anew.
void after_fork_in_child() {
  const int threads = pool.threads;
  new (&pool) Pool;
  pool.threads = threads;
}

[[maybe_unused]] const int fork_handler = pthread_atfork(nullptr, nullptr, after_fork_in_child);

void run_inline(int64_t n, int64_t grain, RangeFunction function, const void* context) {
  for (int64_t begin = 0; begin < n;) {
    const int64_t end = std::min(n - begin, grain) + begin;
    function(context, begin, end);
    begin = end;
  }
}

void run_region(Slot& slot, int64_t chunks, int64_t n, int64_t grain, RangeFunction function,
                const void* context) {
  std::exception_ptr error;
  slot.chunks = chunks;
  slot.n = n;
  slot.grain = grain;
  slot.function = function;
  slot.context = context;
  slot.error = &error;
  slot.deal(num_threads());
  slot.finished.store(0, std::memory_order_relaxed);
  slot.unclaimed.store(chunks, std::memory_order_release);
  pool.published.fetch_add(1);
  pool.wake(chunks - 1);
  in_region = true;
  const int64_t own = slot.take(0);
  slot.wait_for(chunks - own);
  in_region = false;
  pool.release_slot(&slot);
  if (error) std::rethrow_exception(error);
}

}  // namespace

void run_chunks(int64_t n, int64_t grain, RangeFunction function, const void* context) {
  if (n <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  const KernelScope scope;
  if (n <= grain || in_region) return run_inline(n, grain, function, context);
  KernelScope::entering_long_work();
  if (num_threads() == 1) return run_inline(n, grain, function, context);
  if (!pool.started.load(std::memory_order_acquire)) pool.start();
  Slot* slot = pool.acquire_slot();
  if (slot == nullptr) return run_inline(n, grain, function, context);
  run_region(*slot, (n - 1) / grain + 1, n, grain, function, context);
}

int num_threads() {
  int threads = pool.threads.load(std::memory_order_relaxed);
  if (threads == 0) [[unlikely]] {
    const int cores = available_cores();
    if (pool.threads.compare_exchange_strong(threads, cores)) threads = cores;
  }
  return threads;
}

void set_num_threads(int n) {
  check(n >= 1 && n <= kMaxThreads, "[set_num_threads] expected 1 to ", kMaxThreads, ", got ", n);
  check<RuntimeError>(!in_region, "[set_num_threads] called from inside a parallel region");
  const std::lock_guard guard(pool.lock);
  if (n == pool.threads) return;
  pool.stop();
  pool.threads = n;
}

}  // namespace lamina

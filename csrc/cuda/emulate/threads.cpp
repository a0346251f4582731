// What an emulated thread does besides computing: barriers, operations of a warp, shared memory and
// asynchronous copies.
#include <cstdlib>
#include <cstring>
#include <new>

#include "cuda/emulate/block.h"
#include "cuda/emulate/options.h"
#include "cuda/emulate/sanitizer.h"
#include "cuda/emulate/scheduler.h"

namespace lamina::cuda::emulate {
namespace {

constexpr int kPoison = 0xff;  // NaN in every float format, -1 in every integer

char grid_order[2], fence_order;

void land(const Copy& copy) {
  std::memset(copy.to, 0, copy.bytes);
  std::memcpy(copy.to, copy.from, copy.valid);
}

}  // namespace

Block::Block(const Grid& launched, unsigned position)
    : grid(&launched), live(launched.block.x * launched.block.y * launched.block.z), threads(live) {
  const dim3 g = launched.grid, b = launched.block;
  index = {position % g.x, position / g.x % g.y, position / (g.x * g.y)};
  for (unsigned t = 0; t < live; ++t) {
    threads[t].index = {t % b.x, t / b.x % b.y, t / (b.x * b.y)};
    threads[t].linear = t;
    threads[t].lane = t % kWarp;
    threads[t].block = this;
  }
}

Block::~Block() {
  const sanitizer::Unseen unseen;
  for (const SharedArray& array : shared) std::free(array.data);
  shared = {};
  boxes = {};
  threads = {};  // with what they have allocated
}

int current_lane() { return static_cast<int>(current->lane); }

void barrier(Wait kind, const char* op) {
  Block& block = *current->block;
  const bool of_grid = kind == Wait::grid_barrier;
  if (of_grid && !block.grid->cooperative)
    give_up("deadlock: a barrier of the grid in a launch that is not cooperative");
  char* order = of_grid ? grid_order + block.grid_barriers % 2 : block.order + block.barriers % 2;
  sanitizer::release(order);
  suspend(kind, op);
  sanitizer::acquire(order);
}

void* shared_array(const void* key, size_t bytes) {
  const sanitizer::Unseen unseen;
  std::vector<SharedArray>& arrays = current->block->shared;
  for (const SharedArray& array : arrays)
    if (array.key == key) return array.data;
  void* data = nullptr;  // memory of its own, so that AddressSanitizer guards both ends
  if (posix_memalign(&data, 1024, bytes > 0 ? bytes : 1) != 0) throw std::bad_alloc();
  std::memset(data, kPoison, bytes);
  arrays.push_back({key, data});
  return data;
}

void* dynamic_shared_array() { return shared_array(nullptr, current->block->grid->dynamic_shared); }

void collective(const char* op, unsigned mask, void* operand, Collective f, const void* context) {
  Thread& me = *current;
  Thread* warp = &me - me.lane;
  const unsigned in_block = static_cast<unsigned>(me.block->threads.size()) - (me.linear - me.lane);
  const unsigned lanes = in_block < kWarp ? in_block : kWarp;
  if (!(mask >> me.lane & 1)) give_up("a lane runs a warp operation whose mask leaves it out");
  if (lanes < kWarp) mask &= (1u << lanes) - 1;  // lanes that the launch never made
  me.op = op;
  me.mask = mask;
  me.operand = operand;
  unsigned here = 1u << me.lane;
  for (unsigned l = 0; l < lanes; ++l)
    if (warp[l].wait == Wait::warp && warp[l].mask == mask && warp[l].op == op) here |= 1u << l;
  if (here != mask) return suspend(Wait::warp, op);
  void* operands[kWarp] = {};
  for (unsigned l = 0; l < lanes; ++l)
    if (mask >> l & 1) {
      operands[l] = warp[l].operand;
      warp[l].wait = Wait::nothing;
    }
  f(operands, mask, context);
}

void exchange(const char* op, unsigned mask, void* value, size_t bytes, unsigned from) {
  const sanitizer::Unseen unseen;
  struct Operand {
    void* value;
    unsigned from;
    char given[16];
  } mine{value, from, {}};
  std::memcpy(mine.given, value, bytes);
  collective(
      op, mask, &mine,
      [](void* const(&operands)[kWarp], unsigned, const void* size) {
        const size_t n = *static_cast<const size_t*>(size);
        for (void* lane : operands) {
          if (!lane) continue;
          const Operand& o = *static_cast<Operand*>(lane);
          if (const void* source = operands[o.from])
            std::memcpy(o.value, static_cast<const Operand*>(source)->given, n);
          else
            std::memset(o.value, kPoison, n);  // of a lane that takes no part: undefined
        }
      },
      &bytes);
}

void synchronize_warp(unsigned mask) {
  Thread& me = *current;
  char* order = me.block->warp_order(me.linear / kWarp);
  sanitizer::release(order);
  collective("__syncwarp", mask, order, [](void* const(&)[kWarp], unsigned, const void*) {});
  sanitizer::acquire(order);
}

unsigned ballot(unsigned mask, bool set) {
  struct Operand {
    bool set;
    unsigned votes;
  } mine{set, 0};
  collective("__ballot_sync", mask, &mine,
             [](void* const(&operands)[kWarp], unsigned, const void*) {
               unsigned votes = 0;
               for (unsigned l = 0; l < kWarp; ++l)
                 if (operands[l] && static_cast<const Operand*>(operands[l])->set) votes |= 1u << l;
               for (void* lane : operands)
                 if (lane) static_cast<Operand*>(lane)->votes = votes;
             });
  return mine.votes;
}

void fence() {
  sanitizer::release(&fence_order);
  sanitizer::acquire(&fence_order);
}

void copy_async(void* to, const void* from, unsigned bytes, unsigned valid) {
  const Copy copy{to, from, bytes, valid, current->group};
  if (options().early_copies) {
    current->unfenced = true;
    return land(copy);
  }
  std::memset(to, kPoison, bytes);
  current->copies.push_back(copy);
}

void commit_copies() { ++current->group; }

void wait_copies(unsigned groups_in_flight) {
  std::vector<Copy>& copies = current->copies;
  size_t landed = 0;
  while (landed < copies.size() && copies[landed].group + groups_in_flight < current->group)
    land(copies[landed++]);
  current->unfenced |= landed > 0;
  copies.erase(copies.begin(), copies.begin() + static_cast<std::ptrdiff_t>(landed));
}

}  // namespace lamina::cuda::emulate

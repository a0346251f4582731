#include "cuda/emulate/mbarrier.h"

#include <cstring>

#include "cuda/emulate/block.h"
#include "cuda/emulate/options.h"
#include "cuda/emulate/sanitizer.h"
#include "cuda/emulate/scheduler.h"
#include "cuda/emulate/tensor_map.h"

namespace lamina::cuda::emulate {
namespace {

constexpr int kPoison = 0xff;  // NaN in every float format
constexpr unsigned kMostArrivals = 0x7ffe;

struct Books {
  int32_t bytes;     // expected and not landed; those that land early make it negative
  uint16_t pending;  // arrivals of this phase
  uint16_t arrivals : 15, parity : 1;
};
static_assert(sizeof(Books) == sizeof(uint64_t));

Books& books(uint64_t* barrier) {
  Books& b = *reinterpret_cast<Books*>(barrier);
  if (b.arrivals > kMostArrivals) give_up("an mbarrier is used that nobody has made");
  return b;
}

void end_phase(Books& b, Block& block) {
  if (b.pending > 0 || b.bytes != 0) return;
  b.pending = b.arrivals;
  b.parity ^= 1;
  for (Thread& t : block.threads)
    if (t.wait == Wait::mbarrier) t.wait = Wait::nothing;
}

// Writes the box, line by line, 16 bytes at a time.
void land(const BoxCopy& copy) {
  TensorMap map;
  std::memcpy(&map, &copy.map, sizeof map);
  for (unsigned l = 0; l < map.box[1]; ++l)
    for (unsigned e = 0; e < map.box[0]; ++e) {
      const int64_t at[] = {int64_t{copy.at.element} + e, int64_t{copy.at.line} + l,
                            copy.at.matrix};
      uint16_t value = 0;
      bool inside = true;
      for (int d = 0; d < 3; ++d) inside &= at[d] >= 0 && at[d] < static_cast<int64_t>(map.size[d]);
      if (inside)
        std::memcpy(&value,
                    map.data + at[2] * static_cast<int64_t>(map.stride[1]) +
                        at[1] * static_cast<int64_t>(map.stride[0]) + at[0] * 2,
                    2);
      std::memcpy(copy.to + l * 128 + (e / 8 ^ l % 8) * 16 + e % 8 * 2, &value, 2);
    }
}

unsigned box_bytes(const CUtensorMap& map) {
  TensorMap m;
  std::memcpy(&m, &map, sizeof m);
  return m.box[0] * m.box[1] * 2;
}

}  // namespace

void mbarrier_init(uint64_t* barrier, unsigned arrivals) {
  if (arrivals == 0 || arrivals > kMostArrivals) give_up("an mbarrier of no arrivals, or too many");
  Books b{0, static_cast<uint16_t>(arrivals), static_cast<uint16_t>(arrivals & 0x7fff), 0};
  *reinterpret_cast<Books*>(barrier) = b;
}

void mbarrier_arrive(uint64_t* barrier) {
  Books& b = books(barrier);
  if (current->unfenced)
    give_up("an mbarrier hands over what cp.async wrote without fence_async_proxy()");
  if (b.pending == 0) give_up("an mbarrier got more arrivals than it was made for");
  sanitizer::release(barrier);
  --b.pending;
  end_phase(b, *current->block);
}

void mbarrier_expect(uint64_t* barrier, unsigned bytes) {
  books(barrier).bytes += static_cast<int32_t>(bytes);
}

void mbarrier_wait(uint64_t* barrier, unsigned parity) {
  while (books(barrier).parity == parity) suspend(Wait::mbarrier, "mbarrier_wait");
  sanitizer::acquire(barrier);
}

void fence_async_proxy() { current->unfenced = false; }

void copy_box(void* shared, const CUtensorMap& map, uint64_t* barrier, BoxPlace at) {
  const sanitizer::Unseen unseen;
  Block& block = *current->block;
  if (reinterpret_cast<uintptr_t>(shared) % 1024 != 0)
    give_up("a box of 128-byte lines is copied to memory that is not aligned to 1024 bytes");
  block.boxes.push_back({static_cast<char*>(shared), map, barrier, at});
  if (options().early_copies) return land_box(block, block.boxes.size() - 1);
  std::memset(shared, kPoison, box_bytes(map));
}

void land_box(Block& block, size_t i) {
  const sanitizer::Unseen unseen;
  const BoxCopy copy = block.boxes[i];
  block.boxes.erase(block.boxes.begin() + static_cast<std::ptrdiff_t>(i));
  land(copy);
  Books& b = books(copy.barrier);
  b.bytes -= static_cast<int32_t>(box_bytes(copy.map));
  end_phase(b, block);
}

}  // namespace lamina::cuda::emulate

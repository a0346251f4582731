// Runs of outputs that lie together, each gathered through one table; a thread an output, or four
// neighbours where a run is one piece.  Bound by bytes where a run's elements share cache lines: 8
// an element of float32, 1e8 in 0.19 ms at the 4.3 TB/s that an H200 copies.  Compiled and
// emulated, not yet run on a device.
#include "cuda/columns.h"
#include "cuda/device_tables.h"
#include "kernels/registry.h"
#include "kernels/shuffle.h"

namespace lamina::cuda {
namespace {

using kernels::ShufflePlan;

constexpr int kThreads = 256, kOuter = 4;

struct Deal {
  int64_t items;
  WideDivisor run;  // in items
  WideDivisor outer[kOuter];
  int64_t stride[kOuter];
};

template <class T, int width>
__global__ void __launch_bounds__(kThreads)
    deal_kernel(const Deal deal, const int32_t* table, const T* x, T* y) {
  const int64_t item = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (item >= deal.items) return;
  int64_t rest = item / deal.run;
  const int64_t k = (item - rest * deal.run.value) * width;
  int64_t from = table ? table[k] : k;
  for (int d = kOuter - 1; d >= 0; --d) {
    const int64_t next = rest / deal.outer[d];
    from += (rest - next * deal.outer[d].value) * deal.stride[d];
    rest = next;
  }
  store_some(y + item * width, load_some<width>(x + from));
}

template <class T, int width>
void run(const ShufflePlan& p, const T* x, T* y) {
  Deal deal{p.run / width, WideDivisor(p.run / width), {}, {}};
  for (int d = 0; d < kOuter; ++d) {
    deal.items *= p.outer[d];
    deal.outer[d] = WideDivisor(p.outer[d]);
    deal.stride[d] = p.stride[d];
  }
  DeviceTables tables;
  const int32_t* table = nullptr;
  if (p.table) {
    const auto sent = tables.add(p.table, p.run);
    tables.send();
    table = tables.at<int32_t>(sent);
  }
  launch(&deal_kernel<T, width>, blocks_for(deal.items, kThreads), kThreads, 0, stream(), deal,
         table, x, y);
}

template <class T>
void deal_as(const ShufflePlan& p, const void* x, void* y) {
  constexpr size_t kBytes = sizeof(Pack<T>), kAlignment = kBytes < 16 ? kBytes : 16;
  bool packs = !p.table && p.run % kPack == 0 &&
               (reinterpret_cast<uintptr_t>(x) | reinterpret_cast<uintptr_t>(y)) % kAlignment == 0;
  for (int64_t stride : p.stride) packs = packs && stride % kPack == 0;
  (packs ? &run<T, kPack> : &run<T, 1>)(p, static_cast<const T*>(x), static_cast<T*>(y));
}

void deal(const ShufflePlan& p, const void* x, void* y) {
  switch (p.itemsize) {
    case 1:
      return deal_as<uint8_t>(p, x, y);
    case 2:
      return deal_as<uint16_t>(p, x, y);
    case 4:
      return deal_as<uint32_t>(p, x, y);
    default:
      return deal_as<uint64_t>(p, x, y);
  }
}

}  // namespace

LAMINA_CUDA_KERNELS(Shuffle, shuffle){&deal};

}  // namespace lamina::cuda

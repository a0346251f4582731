// Runs of outputs that lie together, each gathered through one table.  Bound by bytes where a run's
// elements share cache lines.
#include "kernels/shuffle.h"

#include "core/parallel.h"
#include "cpu/loop.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::ShufflePlan;

template <class T>
void deal_as(const ShufflePlan& p, const T* x, T* y) {
  const int64_t B = p.outer[1], C = p.outer[2], D = p.outer[3], run = p.run;
  const int64_t grain = run < kLoopGrain ? kLoopGrain / run : 1;
  parallel_for(p.outer[0] * B * C * D, grain, [&](int64_t begin, int64_t end) {
    for (int64_t u = begin; u < end; ++u) {
      const int64_t d = u % D, c = u / D % C, b = u / (D * C) % B, a = u / (D * C * B);
      const T* from = x + a * p.stride[0] + b * p.stride[1] + c * p.stride[2] + d * p.stride[3];
      T* to = y + u * run;
      if (!p.table) {
        __builtin_memcpy(to, from, static_cast<size_t>(run) * sizeof(T));
      } else {
#pragma GCC ivdep
        for (int64_t k = 0; k < run; ++k) to[k] = from[p.table[k]];
      }
    }
  });
}

void deal(const ShufflePlan& p, const void* x, void* y) {
  switch (p.itemsize) {
    case 1:
      return deal_as(p, static_cast<const uint8_t*>(x), static_cast<uint8_t*>(y));
    case 2:
      return deal_as(p, static_cast<const uint16_t*>(x), static_cast<uint16_t*>(y));
    case 4:
      return deal_as(p, static_cast<const uint32_t*>(x), static_cast<uint32_t*>(y));
    default:
      return deal_as(p, static_cast<const uint64_t*>(x), static_cast<uint64_t*>(y));
  }
}

}  // namespace

LAMINA_CPU_KERNELS(Shuffle, shuffle){&deal};

}  // namespace lamina::cpu::LAMINA_ISA

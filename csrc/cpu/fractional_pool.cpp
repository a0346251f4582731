// Fractional max pooling: each plane has windows of its own, so that its outputs are found one by
// one, a window's taps in order.  Bound by the comparisons.
#include "kernels/fractional_pool.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/vec.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::FractionalPoolShape;
using kernels::kFractionalDims;

constexpr int64_t kGrain = 1 << 14;  // comparisons a chunk: some 10 us

#include "kernels/fractional_pool.inc"

template <class T>
void find_winners(const FractionalPoolShape& s, const T* x, const T* draws, int64_t* index) {
  const int64_t in = s.in[0] * s.in[1] * s.in[2], out = s.out[0] * s.out[1] * s.out[2];
  const int64_t work = out * s.kernel[0] * s.kernel[1] * s.kernel[2];
  parallel_for(s.planes, 1 + kGrain / work, [&](int64_t begin, int64_t end) {
    const Scratch held((s.out[0] + s.out[1] + s.out[2]) * sizeof(int64_t));
    int64_t* start[kFractionalDims] = {held.as<int64_t>()};
    for (int d = 1; d < kFractionalDims; ++d) start[d] = start[d - 1] + s.out[d - 1];
    for (int64_t plane = begin; plane < end; ++plane) {
      const T* draw = draws + plane * s.rank - (kFractionalDims - s.rank);  // of the depth on
      for (int d = 0; d < kFractionalDims; ++d)
        for (int64_t o = 0; o < s.out[d]; ++o)
          start[d][o] = window_start(s.in[d], s.out[d], s.kernel[d],
                                     d < kFractionalDims - s.rank ? T(0) : draw[d], o);
      int64_t* to = index + plane * out;
      for (int64_t d = 0; d < s.out[0]; ++d)
        for (int64_t h = 0; h < s.out[1]; ++h)
          for (int64_t w = 0; w < s.out[2]; ++w)
            *to++ = winner(s, x + plane * in, start[0][d], start[1][h], start[2][w]);
    }
  });
}

void winners(const FractionalPoolShape& s, const void* x, const void* draws, int64_t* index) {
  visit_real(s.dtype, [&](auto of) {
    using T = decltype(of);
    find_winners(s, static_cast<const T*>(x), static_cast<const T*>(draws), index);
  });
}

}  // namespace

LAMINA_CPU_KERNELS(FractionalPool, fractional_pool){&winners};

}  // namespace lamina::cpu::LAMINA_ISA

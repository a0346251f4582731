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

// Where the windows of one dimension begin.
template <class T>
void window_starts(int64_t in, int64_t out, int64_t kernel, T draw, int64_t* start) {
  const T step = out > 1 ? static_cast<T>(in - kernel) / static_cast<T>(out - 1) : T(0);
  for (int64_t o = 0; o + 1 < out; ++o)
    start[o] =
        static_cast<int64_t>((static_cast<T>(o) + draw) * step) - static_cast<int64_t>(draw * step);
  start[out - 1] = in - kernel;
}

template <class T>
int64_t winner(const FractionalPoolShape& s, const T* plane, int64_t d, int64_t h, int64_t w) {
  int64_t best = (d * s.in[1] + h) * s.in[2] + w;
  T value = plane[best];
  for (int64_t kd = 0; kd < s.kernel[0]; ++kd)
    for (int64_t kh = 0; kh < s.kernel[1]; ++kh) {
      const int64_t row = ((d + kd) * s.in[1] + h + kh) * s.in[2] + w;
      for (int64_t i = row; i < row + s.kernel[2]; ++i)
        if (plane[i] > value || plane[i] != plane[i]) {
          value = plane[i];
          best = i;
        }
    }
  return best;
}

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
        window_starts(s.in[d], s.out[d], s.kernel[d], d < kFractionalDims - s.rank ? T(0) : draw[d],
                      start[d]);
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

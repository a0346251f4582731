// Backward through a row of windows of row-major planes: lanes are neighbouring positions of the input row.
//
// Position i + padding = t*stride + q of the input is tap k of window t - m wherever k*dilation = m*stride + q, so that
// each phase q gathers from contiguous runs of windows; the phases of stride 2 are then interleaved.
#pragma once

#include "cpu/interleave.h"
#include "cpu/pool_window.h"

namespace lamina::cpu::LAMINA_ISA {

using kernels::PoolShape;

struct Spread {
  int64_t kernel, stride, dilation, padding;
  int64_t lead;   // the largest m
  int64_t steps;  // values of t

  LAMINA_INLINE explicit Spread(const PoolShape& s)
      : kernel(s.kernel[2]),
        stride(s.stride[2]),
        dilation(s.dilation[2]),
        padding(s.padding[2]),
        lead((kernel - 1) * dilation / stride),
        steps(divide_up(s.in[2] + padding, stride)) {}

  // Elements of a row of windows as spread_row reads it: `lead` in front of window 0, and a vector too many behind.
  LAMINA_INLINE int64_t windows(int lanes) const { return lead + steps + lanes; }
  // Elements of a row of input as it writes it, from position -padding on.
  LAMINA_INLINE int64_t positions(int lanes) const { return (steps + lanes) * stride; }
};

// to[t*stride + q] += the sum of term(lead + t - m, k), a vector of windows from there on, over the taps k of the phase.
template <int kStride, class T, class Term>
LAMINA_INLINE void spread_row(const Spread& s, const Term& term, T* to) {
  constexpr int kLane = kLanes<T>;
  const int64_t stride = kStride ? kStride : s.stride;
  const auto phase = [&](int64_t t, int64_t q) {
    Vec<T> sum{};
    if (s.dilation == 1) {
      for (int64_t k = q, at = s.lead + t; k < s.kernel; k += stride, --at) sum += term(at, k);
    } else {
      for (int64_t k = 0; k < s.kernel; ++k)
        if (k * s.dilation % stride == q) sum += term(s.lead + t - k * s.dilation / stride, k);
    }
    return sum;
  };
  for (int64_t t = 0; t < s.steps; t += kLane) {
    T* at = to + t * stride;
    if constexpr (kStride == 1) {
      store(at, load(at) + phase(t, 0));
    } else if constexpr (kStride == 2) {
      const Vec<T> even = phase(t, 0), odd = phase(t, 1);
      store(at, load(at) + interleave<T>(even, odd, 0));
      store(at + kLane, load(at + kLane) + interleave<T>(even, odd, 1));
    } else {
      for (int64_t q = 0; q < stride; ++q) {
        const Vec<T> sum = phase(t, q);
        for (int lane = 0; lane < kLane; ++lane) at[lane * stride + q] += sum[lane];
      }
    }
  }
}

}  // namespace lamina::cpu::LAMINA_ISA

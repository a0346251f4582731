// Backward through row-major planes: lanes are neighbouring positions of an input row.
//
// Position t*stride + q is tap k of window t - m wherever k*dilation - padding = m*stride + q, so
// that each phase q gathers from contiguous runs of windows; the phases of stride 2 are then
// interleaved.  Rows of windows are staged in scratch memory with room on both sides, several at a
// time: a load across two stores that are still under way would wait.
#pragma once

#include "core/parallel.h"
#include "cpu/pool_lanes.h"
#include "cpu/pool_window.h"
#include "cpu/shuffle.h"

namespace lamina::cpu::LAMINA_ISA {

using kernels::PoolShape;

inline constexpr int64_t kStagedWindows =
    1 << 13;  // so that a stage stays in the L1 cache, or not far from it
inline constexpr int64_t kSpreadGrain = 1 << 14;  // positions a chunk: some 5 us

struct Spread {
  int64_t kernel, stride, dilation, padding;  // dilation other than 1 only with stride 1
  int64_t lead;                               // the largest m: windows in front of the first
  int64_t steps;                              // values of t
  int64_t windows;  // what a row of windows takes, with room for m < 0 and a vector too many behind

  LAMINA_INLINE Spread(const PoolShape& s, int lanes)
      : kernel(s.kernel[2]), stride(s.stride[2]), dilation(s.dilation[2]), padding(s.padding[2]) {
    lead = larger((kernel - 1) * dilation - padding, 0) / stride;
    steps = divide_up(s.in[2], stride);
    windows = lead + larger(s.out[2], steps + divide_up(padding + stride, stride)) + lanes;
  }
};

// Stores the first n lanes, or all if there are fewer than n.
template <class T>
LAMINA_INLINE void store_up_to(T* p, Vec<T> v, int64_t n) {
  if (n >= kLanes<T>)
    store(p, v);
  else if (n > 0)
    store_partial(p, v, static_cast<int>(n));
}

// A row of input: sums term(source, window, tap), a vector of windows from there on, over sources
// and taps.  kWidth: the kernel's width where it is 2 or 3, else 0.  Up to `room` elements from
// `to` on may be written.
template <int kStride, int kWidth, class T, class Term>
LAMINA_INLINE void spread_row(const Spread& spread, T* to, int64_t room, int64_t sources,
                              const Term& term) {
  constexpr int kLane = kLanes<T>;
  // With stride s, tap k of phase q has k = (padding + q) mod s, and m falls by one from such a tap
  // to the one before.
  const int64_t kernel = kWidth ? kWidth : spread.kernel, steps = spread.steps;
  if constexpr (kStride == 1) {
    const int64_t first = spread.lead + spread.padding, back = spread.dilation;
    for (int64_t t = 0; t < steps; t += kLane) {
      Vec<T> sum{};
      for (int64_t j = 0; j < sources; ++j)
        for (int64_t k = 0; k < kernel; ++k) sum += term(j, first + t - k * back, k);
      store_up_to(to + t, sum, room - t);
    }
  } else if constexpr (kStride == 2) {
    const bool odd_first = spread.padding & 1;  // whether the odd taps hold the even positions
    const int64_t even = spread.lead + (spread.padding + 1) / 2,
                  odd = spread.lead + spread.padding / 2;
    for (int64_t t = 0; t < steps; t += kLane) {
      Vec<T> of_even{}, of_odd{};
      for (int64_t j = 0; j < sources; ++j)
        for (int64_t k = 0; k < kernel; k += 2) {
          of_even += term(j, even + t - k / 2, k);
          if (k + 1 < kernel) of_odd += term(j, odd + t - k / 2, k + 1);
        }
      const Vec<T> a = odd_first ? of_odd : of_even, b = odd_first ? of_even : of_odd;
      store_up_to(to + 2 * t, interleave<T>(a, b, 0), room - 2 * t);
      store_up_to(to + 2 * t + kLane, interleave<T>(a, b, 1), room - 2 * t - kLane);
    }
  } else {
    const int64_t stride = spread.stride;
    for (int64_t q = 0; q < stride; ++q) {
      const int64_t first_tap = (spread.padding + q) % stride,
                    first = spread.lead + (spread.padding + q) / stride;
      for (int64_t t = 0; t < steps; t += kLane) {
        Vec<T> sum{};
        for (int64_t j = 0; j < sources; ++j) {
          int64_t at = first + t;
          for (int64_t k = first_tap; k < kernel; k += stride, --at) sum += term(j, at, k);
        }
        for (int64_t lane = 0, i = t * stride + q; lane < kLane && i < room; ++lane, i += stride)
          to[i] = sum[lane];
      }
    }
  }
}

// tile(stage, plane, d, h0, h1, the end of what the thread may write) for tiles of at most `rows`
// rows of input.
template <class MakeStage, class F>
LAMINA_INLINE void for_input_tiles(const PoolShape& s, int64_t rows, const MakeStage& make_stage,
                                   const F& tile) {
  const int64_t H = s.in[1], W = s.in[2], down = divide_up(H, rows);
  parallel_for(s.batch * s.channels * s.in[0] * down, 1 + kSpreadGrain / (rows * W),
               [&](int64_t begin, int64_t end) {
                 const auto stage = make_stage();
                 const int64_t limit = (end / down * H + end % down * rows) * W;
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t image = i / down, h0 = i % down * rows;
                   tile(stage, image / s.in[0], image % s.in[0], h0, smaller(h0 + rows, H), limit);
                 }
               });
}

}  // namespace lamina::cpu::LAMINA_ISA

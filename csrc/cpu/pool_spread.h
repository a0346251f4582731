// Backward through row-major planes: lanes are neighbouring positions of an input row.
//
// Position t*stride + q is tap k of window t - m wherever k*dilation - padding = m*stride + q, so that each phase q gathers
// from contiguous runs of windows; the phases of stride 2 are then interleaved.  Rows of windows are staged in scratch
// memory with room on both sides, several at a time: a load across two stores that are still under way would wait.
#pragma once

#include "core/parallel.h"
#include "cpu/interleave.h"
#include "cpu/pool_lanes.h"
#include "cpu/pool_window.h"

namespace lamina::cpu::LAMINA_ISA {

using kernels::PoolShape;

inline constexpr int64_t kStagedWindows = 1 << 13;  // so that a stage stays in the L1 cache, or not far from it
inline constexpr int64_t kSpreadGrain = 1 << 14;    // positions a chunk: some 5 us

struct Spread {
  int64_t kernel, stride, dilation, padding;
  int64_t lead;     // the largest m: windows in front of the first
  int64_t steps;    // values of t
  int64_t windows;  // what a row of windows takes, with room for m < 0 and a vector too many behind

  LAMINA_INLINE Spread(const PoolShape& s, int lanes)
      : kernel(s.kernel[2]), stride(s.stride[2]), dilation(s.dilation[2]), padding(s.padding[2]) {
    lead = larger((kernel - 1) * dilation - padding, 0) / stride;
    steps = divide_up(s.in[2], stride);
    windows = lead + larger(s.out[2], steps + divide_up(padding + stride, stride)) + lanes;
  }

  // sum of term(lead + t - m, k), a vector of windows from there on, over the taps k of phase q.
  template <int kStride, class T, class Term>
  LAMINA_INLINE void add_phase(Vec<T>& sum, int64_t t, int64_t q, const Term& term) const {
    const int64_t by = kStride ? kStride : stride;
    if (dilation == 1) {
      const int64_t first = (padding + q) % by;
      int64_t at = lead + t + (padding + q - first) / by;
      for (int64_t k = first; k < kernel; k += by, --at) sum += term(at, k);
    } else {
      for (int64_t k = 0; k < kernel; ++k) {
        const int64_t distance = padding + q - k * dilation;  // -m*stride
        if (distance % by == 0) sum += term(lead + t + distance / by, k);
      }
    }
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

// A row of input: sum(t, q) is a vector of values of t.  Up to `room` elements from `to` on may be written.
template <int kStride, class T, class Sum>
LAMINA_INLINE void spread_row(const Spread& s, T* to, int64_t room, const Sum& sum) {
  constexpr int kLane = kLanes<T>;
  for (int64_t t = 0; t < s.steps; t += kLane) {
    if constexpr (kStride == 1) {
      store_up_to(to + t, sum(t, 0), room - t);
    } else if constexpr (kStride == 2) {
      const Vec<T> even = sum(t, 0), odd = sum(t, 1);
      store_up_to(to + 2 * t, interleave<T>(even, odd, 0), room - 2 * t);
      store_up_to(to + 2 * t + kLane, interleave<T>(even, odd, 1), room - 2 * t - kLane);
    } else {
      for (int64_t q = 0; q < s.stride; ++q) {
        const Vec<T> v = sum(t, q);
        for (int64_t lane = 0, at = t * s.stride + q; lane < kLane && at < room; ++lane, at += s.stride)
          to[at] = v[lane];
      }
    }
  }
}

// tile(plane, d, h0, h1, the end of what the thread may write) for tiles of at most `rows` input rows of a depth.
template <class Stage, class F>
LAMINA_INLINE void for_input_tiles(const PoolShape& s, int64_t rows, const Stage& make_stage, const F& tile) {
  const int64_t H = s.in[1], W = s.in[2], down = divide_up(H, rows);
  parallel_for(s.batch * s.channels * s.in[0] * down, 1 + kSpreadGrain / (rows * W), [&](int64_t begin, int64_t end) {
    const auto stage = make_stage();
    const int64_t limit = (end / down * H + end % down * rows) * W;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = i / down, h0 = i % down * rows;
      tile(stage, image / s.in[0], image % s.in[0], h0, smaller(h0 + rows, H), limit);
    }
  });
}

}  // namespace lamina::cpu::LAMINA_ISA

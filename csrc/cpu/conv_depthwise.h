// Register tiles of depthwise convolution and of narrow groups: vectors run over channels, each
// lane a convolution of its own (conv_lanes.h).
//
// The forward tile holds P positions of a row of one vector; neighbouring taps share their loads of x
// where they read neighbouring pixels (`Step` 1 or 2): 10 loads of x for 24 multiply-adds of 3 taps.
#pragma once

#include "cpu/conv_epilogue.h"
#include "cpu/conv_lanes.h"
#include "cpu/conv_tile.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// A row of positions of one vector.
template <class T>
struct LaneRow {
  LaneColumns columns;
  const T* const* x;  // the rows of pixels that rows of the kernel meet, from its first tap on
  const int64_t* kernel_row;    // which rows of the kernel those are
  int64_t rows, x_offset;       // added to each of x
  const T* w;                   // [step][kernel row][tap][lane]
  int64_t steps, step_weights;  // elements
  const LaneIndex<T>* index;    // [step]
  Vec<T> bias;
  T* y;
  int64_t y_pixel, y_channel, lanes;
  // `ahead_rows` rows of x to bring into the cache meanwhile: those that the next row needs.
  const T* ahead;
  int64_t ahead_row, ahead_rows, ahead_pixel;
  Epilogue<T> epilogue;
};

// sum[j] += x[pixel of (position j, tap i)] * w[i] over N taps.
template <class T, int P, int N, int Step, class Permute>
LAMINA_INLINE void add_taps(const T* x, int64_t pixel, const T* w, const Permute& permuted,
                            Vec<T> (&sum)[P]) {
  constexpr int n = kLanes<T>;
  Vec<T> weight[N];
  LAMINA_UNROLL
  for (int i = 0; i < N; ++i) weight[i] = load(w + i * n);
  if constexpr (Step == 0) {
    LAMINA_UNROLL
    for (int j = 0; j < P; ++j) sum[j] += permuted(load(x + j * pixel)) * weight[0];
  } else {
    constexpr int kPixels = (P - 1) * Step + N;
    Vec<T> v[kPixels];
    LAMINA_UNROLL
    for (int c = 0; c < kPixels; ++c) v[c] = in_register<T>(permuted(load(x + c * n)));
    // Sums take turns: each waits for its last multiply-add.
    LAMINA_UNROLL
    for (int i = 0; i < N * P; ++i) sum[i % P] += v[i % P * Step + i / P] * weight[i / P];
  }
}

// P positions from `o` on.  Step 0: any step and distance of taps, one tap at a time.
template <class T, int P, int Step, class Permute>
LAMINA_INLINE void sum_taps(const LaneRow<T>& t, int64_t o, const T* w, const Permute& permuted,
                            Vec<T> (&sum)[P]) {
  constexpr int n = kLanes<T>;
  const LaneColumns& a = t.columns;
  const int64_t first = t.x_offset + o * a.step * n, row_weights = a.taps * n;
  for (int64_t r = 0; r < t.rows; ++r) {
    const T* x = t.x[r] + first;
    const T* weights = w + t.kernel_row[r] * row_weights;
    const auto add = [&]<int N>(int64_t tap) __attribute__((always_inline)) {
      add_taps<T, P, N, Step>(x + tap * a.tap_step * n, a.step * n, weights + tap * n, permuted,
                              sum);
    };
    if constexpr (Step == 0)
      for (int64_t tap = 0; tap < a.taps; ++tap) add.template operator()<1>(tap);
    else if (a.taps == 3)
      add.template operator()<3>(0);
    else
      for_each_chunk(a.taps, add);
  }
}

// y[j] = the epilogue of sum[j] for j < positions; partial vectors and other layouts lane by lane.
template <class T, int P>
LAMINA_INLINE void store_lanes(const LaneRow<T>& t, const Vec<T> (&sum)[P], int64_t positions,
                               T* y) {
  constexpr int n = kLanes<T>;
  if (t.y_channel == 1 && t.lanes == n && positions >= P) {
    LAMINA_UNROLL
    for (int j = 0; j < P; ++j, y += t.y_pixel) store(y, t.epilogue.apply(sum[j], y));
    return;
  }
  alignas(64) T spilled[P][n];
  LAMINA_UNROLL
  for (int j = 0; j < P; ++j) store(spilled[j], sum[j]);
  for (int64_t l = 0; l < t.lanes; ++l)
    for (int64_t j = 0; j < positions && j < P; ++j) {
      T* to = y + j * t.y_pixel + l * t.y_channel;
      *to = t.epilogue.apply(spilled[j][l], to);
    }
}

template <class T, int P, int Step, bool Permuted>
__attribute__((noinline)) void lane_row(const LaneRow<T>& shared) {
  const LaneRow<T> t = shared;  // in registers: vectors stored to y could alias it
  for (int64_t next = 0; next < t.columns.width; next += P) {
    // The last tile is moved back to end with the row.
    const int64_t o =
        next + P <= t.columns.width || t.columns.width < P ? next : t.columns.width - P;
    T* y = t.y + o * t.y_pixel;
    LAMINA_UNROLL
    for (int j = 0; j < P; ++j) __builtin_prefetch(y + (P + j) * t.y_pixel, 1);
    for (int64_t r = 0; r < t.ahead_rows; ++r) {
      const T* line = t.ahead + r * t.ahead_row + o * t.columns.step * t.ahead_pixel;
      LAMINA_UNROLL
      for (int j = 0; j < P * (Step == 2 ? 2 : 1); ++j, line += t.ahead_pixel)
        __builtin_prefetch(line);
    }
    Vec<T> sum[P];
    LAMINA_UNROLL
    for (int j = 0; j < P; ++j) sum[j] = t.bias;
    if constexpr (Permuted) {
      for (int64_t step = 0; step < t.steps; ++step) {
        const LaneIndex<T> index = t.index[step];
        sum_taps<T, P, Step>(
            t, o, t.w + step * t.step_weights,
            [=](Vec<T> x) __attribute__((always_inline)) { return permute<T>(x, index); }, sum);
      }
    } else {
      sum_taps<T, P, Step>(
          t, o, t.w, [](Vec<T> x) __attribute__((always_inline)) { return x; }, sum);
    }
    store_lanes<T, P>(t, sum, t.columns.width - o, y);
  }
}

template <class T>
using LaneRowKernel = void (*)(const LaneRow<T>&);

inline constexpr int64_t kMostPositions = 8;  // of a tile: a row reads as many at least

// A kernel is compiled only for what is often met: float64, and steps from 2 on, take one tap at a
// time, which costs a load for each multiply-add.  Tiles of 7 positions are for the rows of which
// those of 8 would leave more of their last one idle.
template <class T>
LaneRowKernel<T> choose_lane_row(const LaneColumns& a, bool permuted) {
  if constexpr (sizeof(T) == sizeof(float)) {
    const int64_t sevens = (a.width + 6) / 7 * 7, eights = (a.width + 7) / 8 * 8;
    if (a.shared_step() == 1 && permuted) return &lane_row<T, 8, 1, true>;
    if (a.shared_step() == 1)
      return sevens < eights ? &lane_row<T, 7, 1, false> : &lane_row<T, 8, 1, false>;
  }
  return permuted ? &lane_row<T, 8, 0, true> : &lane_row<T, 8, 0, false>;
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

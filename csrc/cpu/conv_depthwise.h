// Register tiles of depthwise convolution and of narrow groups: vectors run over channels, each
// lane a convolution of its own (conv_lanes.h).
//
// The forward tile holds P positions of a row; neighbouring taps share their loads of x where they
// read neighbouring pixels (`Step` 1 or 2): 10 loads of x for 24 multiply-adds of 3 taps.  Pixels
// beyond the borders of x are left out, so that nothing is copied for the sake of padding.
#pragma once

#include "cpu/conv_epilogue.h"
#include "cpu/conv_lanes.h"
#include "cpu/conv_tile.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int kTilesAhead = 2;  // of the one in work: prefetched

// A row of x that some row of the kernel meets.
template <class T>
struct LaneRow {
  const T* x;  // its first pixel
  int64_t kernel_row;
};

// One vector of channels.
template <class T>
struct LaneVector {
  int64_t in, out;      // first channel to read and to write
  const T* w;           // [step][kernel row][tap][lane]
  const T* bias;        // [lane]
  LaneIndex<T>* index;  // [step], or null where nothing is permuted
};

// A row of positions.
template <class T>
struct LaneTile {
  LaneColumns columns;
  int64_t steps, kernel_rows;
  int64_t x_pixel, y_pixel, y_channel;  // elements
  int64_t lanes;
  int64_t new_rows;  // of x, that the row of positions before did not meet
  Epilogue<T> epilogue = {};
};

// sum[j] += x[pixel of (position j, tap i)] * w[i] over N taps; `inside` has a bit for each pixel.
template <class T, int P, int N, int Step, bool Border, class Permute>
LAMINA_INLINE void add_taps(const T* x, int64_t pixel, uint64_t inside, const T* w,
                            const Permute& permuted, Vec<T> (&sum)[P]) {
  Vec<T> weight[N];
  LAMINA_UNROLL
  for (int i = 0; i < N; ++i) weight[i] = load(w + i * kLanes<T>);
  constexpr int kStep = Step == 0 ? 1 : Step;
  constexpr int kPixels = (P - 1) * kStep + N;
  Vec<T> v[kPixels];
  LAMINA_UNROLL
  for (int c = 0; c < kPixels; ++c)
    v[c] = Border && !(inside >> c & 1) ? Vec<T>{} : in_register<T>(permuted(load(x + c * pixel)));
  // Sums take turns: each waits for its last multiply-add.
  LAMINA_UNROLL
  for (int i = 0; i < N; ++i) LAMINA_UNROLL
  for (int j = 0; j < P; ++j)
    if (!Border || inside >> (j * kStep + i) & 1) sum[j] += v[j * kStep + i] * weight[i];
}

// P positions from `o` on.  Step 0: any step and distance of taps, one tap at a time.
template <class T, int P, int Step, bool Border, class Permute>
LAMINA_INLINE void sum_row(const LaneTile<T>& t, const LaneRow<T>* rows, int64_t count, int64_t o,
                           const T* w, int64_t channel, const Permute& permuted, Vec<T> (&sum)[P]) {
  constexpr int n = kLanes<T>;
  const LaneColumns& a = t.columns;
  const int64_t first = o * a.step + a.offset;
  const int64_t pixel = Step == 0 ? a.step * t.x_pixel : t.x_pixel;
  for (const LaneRow<T>* row = rows; row < rows + count; ++row) {
    const T* x = row->x + channel + first * t.x_pixel;
    const T* weights = w + row->kernel_row * a.taps * n;
    const auto add = [&]<int N>(int64_t tap) __attribute__((always_inline)) {
      const uint64_t inside =
          !Border ? 0 : inside_bits(first + tap * a.tap_step, Step == 0 ? a.step : 1, a.in);
      add_taps<T, P, N, Step, Border>(x + tap * a.tap_step * t.x_pixel, pixel, inside,
                                      weights + tap * n, permuted, sum);
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
LAMINA_INLINE void store_lanes(const LaneTile<T>& t, const Vec<T> (&sum)[P], int64_t positions,
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

// A row of y for `vectors`: tile by tile, so that x and y are read and written in the order in which
// they lie.
template <class T, int P, int Step, bool Permuted>
__attribute__((noinline)) void lane_row(const LaneTile<T>& shared, const LaneRow<T>* rows,
                                        int64_t count, const LaneVector<T>* vectors,
                                        int64_t vector_count, T* y) {
  const LaneTile<T> t = shared;  // in registers: vectors stored to y could alias it
  const LaneColumns& a = t.columns;
  const int64_t kernel_elements = t.kernel_rows * a.taps * kLanes<T>;
  for (int64_t next = 0; next < a.width; next += P) {
    // The last tile is moved back to end with the row.
    const int64_t o = next + P <= a.width || a.width < P ? next : a.width - P;
    const int64_t first = o * a.step + a.offset;
    const bool border = first < 0 || first + (P - 1) * a.step + (a.taps - 1) * a.tap_step >= a.in;
    const int64_t ahead = (first + kTilesAhead * P * a.step) * t.x_pixel;
    for (const LaneVector<T>* v = vectors; v < vectors + vector_count; ++v) {
      // Of the rows that were not met before, the pixels of a tile to come.
      for (int64_t r = count - 1; r >= 0 && r >= count - t.new_rows; --r) {
        const T* line = rows[r].x + ahead + v->in;
        LAMINA_UNROLL
        for (int j = 0; j < P * (Step == 2 ? 2 : 1); ++j, line += t.x_pixel)
          __builtin_prefetch(line);
      }
      const T* next = y + (o + P) * t.y_pixel + v->out * t.y_channel;
      LAMINA_UNROLL
      for (int j = 0; j < P; ++j, next += t.y_pixel) __builtin_prefetch(next, 1);
      Vec<T> sum[P];
      LAMINA_UNROLL
      for (int j = 0; j < P; ++j) sum[j] = load(v->bias);
      for (int64_t step = 0; step < t.steps; ++step) {
        const auto run = [&](const auto& permuted) __attribute__((always_inline)) {
          const T* w = v->w + step * kernel_elements;
          if (border)
            sum_row<T, P, Step, true>(t, rows, count, o, w, v->in, permuted, sum);
          else
            sum_row<T, P, Step, false>(t, rows, count, o, w, v->in, permuted, sum);
        };
        if constexpr (Permuted) {
          const LaneIndex<T> index = v->index[step];
          run([&](Vec<T> x) __attribute__((always_inline)) { return permute<T>(x, index); });
        } else {
          run([](Vec<T> x) __attribute__((always_inline)) { return x; });
        }
      }
      store_lanes<T, P>(t, sum, a.width - o, y + o * t.y_pixel + v->out * t.y_channel);
    }
  }
}

template <class T>
using LaneRowKernel = void (*)(const LaneTile<T>&, const LaneRow<T>*, int64_t, const LaneVector<T>*,
                               int64_t, T*);

// Tiles of 7 or 8 positions, whichever leaves fewer of the row's last tile idle.
template <class T>
LaneRowKernel<T> choose_lane_row(const LaneColumns& a, bool permuted) {
  const int64_t sevens = (a.width + 6) / 7 * 7, eights = (a.width + 7) / 8 * 8;
  const int step = a.tap_step != 1 && a.taps > 1 ? 0 : a.step <= 2 ? static_cast<int>(a.step) : 0;
#define LAMINA_ROW(P, Step) permuted ? &lane_row<T, P, Step, true> : &lane_row<T, P, Step, false>
  if (sevens < eights)
    return step == 0 ? LAMINA_ROW(7, 0) : step == 1 ? LAMINA_ROW(7, 1) : LAMINA_ROW(7, 2);
  return step == 0 ? LAMINA_ROW(8, 0) : step == 1 ? LAMINA_ROW(8, 1) : LAMINA_ROW(8, 2);
#undef LAMINA_ROW
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

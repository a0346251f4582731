// Register tile of the weight gradient of depthwise convolution and of narrow groups: R rows by N
// taps of the kernel, a vector of channels each, summed over rows of positions.
//
// Four positions at a time share the loads of x that neighbouring taps read: 22 loads for the 36
// multiply-adds of 3x3 taps.
#pragma once

#include "cpu/conv_depthwise.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int kGradLaneRows = 3;

// A row of positions: dy and the rows of x that R rows of the kernel meet, null outside x.
template <class T>
struct LaneGradRow {
  const T* dy;
  const T* x[kGradLaneRows];
};

// dw[(r * taps + i) * n] += sum over rows and positions of dy * x, r < R, i < N; `columns` starts at
// the first of the N taps.
template <class T, int N, int Step, class Permute>
LAMINA_INLINE void lane_grad(const LaneColumns& a, const LaneGradRow<T>* rows, int64_t count,
                             int64_t x_channel, int64_t dy_channel, int64_t x_pixel,
                             int64_t dy_pixel, const Permute& permuted, T* dw, int64_t dw_row,
                             int kernel_rows) {
  constexpr int R = kGradLaneRows, P = 4, n = kLanes<T>;
  constexpr int kStep = Step == 0 ? 1 : Step;
  Vec<T> sum[R][N];
  LAMINA_UNROLL
  for (int i = 0; i < R * N; ++i) sum[i / N][i % N] = Vec<T>{};

  // Positions [low, high) have all their pixels inside x.
  int64_t low = a.offset < 0 ? (-a.offset + a.step - 1) / a.step : 0;
  const int64_t room = a.in - a.offset - (N - 1) * a.tap_step;
  int64_t high = room > 0 ? (room - 1) / a.step + 1 : 0;
  high = high < a.width ? high : a.width;
  low = low < high ? low : high;

  for (const LaneGradRow<T>* row = rows; row < rows + count; ++row) {
    const T* dy = row->dy + dy_channel;
    const int64_t first = a.offset * x_pixel + x_channel;
    const auto single = [&](int64_t o, bool border) __attribute__((always_inline)) {
      const Vec<T> g = load(dy + o * dy_pixel);
      const int64_t at = o * a.step + a.offset;
      LAMINA_UNROLL
      for (int i = 0; i < N; ++i) {
        const int64_t column = at + i * a.tap_step;
        if (border && (column < 0 || column >= a.in)) continue;
        LAMINA_UNROLL
        for (int r = 0; r < R; ++r)
          if (row->x[r]) sum[r][i] += permuted(load(row->x[r] + x_channel + column * x_pixel)) * g;
      }
    };
    int64_t o = 0;
    for (; o < low; ++o) single(o, true);
    for (; o + P <= high; o += P) {
      Vec<T> g[P];
      LAMINA_UNROLL
      for (int j = 0; j < P; ++j) g[j] = load(dy + (o + j) * dy_pixel);
      LAMINA_UNROLL
      for (int r = 0; r < R; ++r) {
        if (!row->x[r]) continue;
        const T* x = row->x[r] + first + o * a.step * x_pixel;
        if constexpr (Step == 0) {
          LAMINA_UNROLL
          for (int i = 0; i < N; ++i) LAMINA_UNROLL
          for (int j = 0; j < P; ++j)
            sum[r][i] += permuted(load(x + (j * a.step + i * a.tap_step) * x_pixel)) * g[j];
        } else {
          LAMINA_UNROLL
          for (int c = 0; c < (P - 1) * kStep + N; ++c) {
            const Vec<T> v = in_register<T>(permuted(load(x + c * x_pixel)));
            LAMINA_UNROLL
            for (int i = 0; i < N; ++i)
              if (c >= i && (c - i) % kStep == 0 && (c - i) / kStep < P)
                sum[r][i] += v * g[(c - i) / kStep];
          }
        }
      }
    }
    for (; o < high; ++o) single(o, false);
    for (; o < a.width; ++o) single(o, true);
  }
  LAMINA_UNROLL
  for (int r = 0; r < R; ++r)
    if (r < kernel_rows) {
      LAMINA_UNROLL
      for (int i = 0; i < N; ++i) {
        T* to = dw + r * dw_row + i * n;
        store(to, load(to) + sum[r][i]);
      }
    }
}

// All taps of up to R rows of the kernel, for one vector of channels; dw is [step][kernel row][tap]
// [lane] from the first of the rows on.
template <class T, int Step, bool Permuted>
__attribute__((noinline)) void lane_grad_rows(const LaneTile<T>& t, const LaneGradRow<T>* rows,
                                              int64_t count, const LaneVector<T>& v, T* dw,
                                              int kernel_rows) {
  constexpr int n = kLanes<T>;
  const int64_t dw_row = t.columns.taps * n;
  for (int64_t step = 0; step < t.steps; ++step, dw += t.kernel_rows * dw_row) {
    const auto run = [&](const auto& permuted) __attribute__((always_inline)) {
      for_each_chunk(t.columns.taps, [&]<int N>(int64_t tap) __attribute__((always_inline)) {
        LaneColumns a = t.columns;
        a.offset += tap * a.tap_step;
        lane_grad<T, N, Step>(a, rows, count, v.in, v.out, t.x_pixel, t.y_pixel, permuted,
                              dw + tap * n, dw_row, kernel_rows);
      });
    };
    if constexpr (Permuted) {
      const LaneIndex<T> index = v.index[step];
      run([&](Vec<T> x) __attribute__((always_inline)) { return permute<T>(x, index); });
    } else {
      run([](Vec<T> x) __attribute__((always_inline)) { return x; });
    }
  }
}

template <class T>
using LaneGradKernel = void (*)(const LaneTile<T>&, const LaneGradRow<T>*, int64_t,
                                const LaneVector<T>&, T*, int);

template <class T>
LaneGradKernel<T> choose_lane_grad(const LaneColumns& a, bool permuted) {
  const int step = a.tap_step != 1 && a.taps > 1 ? 0 : a.step <= 2 ? static_cast<int>(a.step) : 0;
#define LAMINA_GRAD(Step) \
  permuted ? &lane_grad_rows<T, Step, true> : &lane_grad_rows<T, Step, false>
  return step == 0 ? LAMINA_GRAD(0) : step == 1 ? LAMINA_GRAD(1) : LAMINA_GRAD(2);
#undef LAMINA_GRAD
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

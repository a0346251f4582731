// Register tile of the weight gradient of depthwise convolution and of narrow groups: R rows by N
// taps of the kernel, a vector of channels each, summed over a row of positions.
//
// Four positions at a time share the loads of x that neighbouring taps read: 22 loads for the 36
// multiply-adds of 3x3 taps.
#pragma once

#include "cpu/conv_depthwise.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int kMostGradRows = 3;

// A row of positions of one vector.
template <class T>
struct LaneGradRow {
  LaneColumns columns;
  const T* dy;
  int64_t dy_pixel;
  const T* x[kMostGradRows];  // the rows that R rows of the kernel meet
  int64_t steps, step_weights;
  const LaneIndex<T>* index;  // [step]
  T* dw;                      // [step][kernel row][tap][lane]
};

// dw[r][i] += sum over positions of dy * x, r < R, i < N, from the tap that x and dw begin with.
template <class T, int R, int N, int Step, class Permute>
LAMINA_INLINE void lane_grad(const LaneGradRow<T>& t, int64_t tap, const Permute& permuted, T* dw) {
  constexpr int P = 4, n = kLanes<T>;
  constexpr int kStep = Step == 0 ? 1 : Step;
  const LaneColumns& a = t.columns;
  Vec<T> sum[R][N];
  LAMINA_UNROLL
  for (int i = 0; i < R * N; ++i) sum[i / N][i % N] = Vec<T>{};
  const int64_t pixel = a.step * n, tap_pixel = a.tap_step * n;
  const T* x[R];
  LAMINA_UNROLL
  for (int r = 0; r < R; ++r) x[r] = t.x[r] + tap * tap_pixel;
  const T* dy = t.dy;
  int64_t o = 0;
  for (; o + P <= a.width; o += P, dy += P * t.dy_pixel) {
    Vec<T> g[P];
    LAMINA_UNROLL
    for (int j = 0; j < P; ++j) g[j] = load(dy + j * t.dy_pixel);
    LAMINA_UNROLL
    for (int r = 0; r < R; ++r) {
      if constexpr (Step == 0) {
        LAMINA_UNROLL
        for (int i = 0; i < N * P; ++i)
          sum[r][i % N] += permuted(load(x[r] + i / N * pixel + i % N * tap_pixel)) * g[i / N];
      } else {
        LAMINA_UNROLL
        for (int c = 0; c < (P - 1) * kStep + N; ++c) {
          const Vec<T> v = in_register<T>(permuted(load(x[r] + c * n)));
          LAMINA_UNROLL
          for (int i = 0; i < N; ++i)
            if (c >= i && (c - i) % kStep == 0 && (c - i) / kStep < P)
              sum[r][i] += v * g[(c - i) / kStep];
        }
      }
      x[r] += P * pixel;
    }
  }
  for (; o < a.width; ++o, dy += t.dy_pixel) {
    const Vec<T> g = load(dy);
    LAMINA_UNROLL
    for (int i = 0; i < R * N; ++i)
      sum[i / N][i % N] += permuted(load(x[i / N] + i % N * tap_pixel)) * g;
    LAMINA_UNROLL
    for (int r = 0; r < R; ++r) x[r] += pixel;
  }
  LAMINA_UNROLL
  for (int i = 0; i < R * N; ++i) {
    T* to = dw + (i / N * a.taps + i % N) * n;
    store(to, load(to) + sum[i / N][i % N]);
  }
}

// All taps of R rows of the kernel.
template <class T, int R, int Step, bool Permuted>
__attribute__((noinline)) void lane_grad_rows(const LaneGradRow<T>& shared) {
  const LaneGradRow<T> t = shared;
  T* dw = t.dw;
  for (int64_t step = 0; step < t.steps; ++step, dw += t.step_weights) {
    const auto run = [&](const auto& permuted) __attribute__((always_inline)) {
      for_each_chunk(t.columns.taps, [&]<int N>(int64_t tap) __attribute__((always_inline)) {
        lane_grad<T, R, N, Step>(t, tap, permuted, dw + tap * kLanes<T>);
      });
    };
    if constexpr (Permuted) {
      const LaneIndex<T> index = t.index[step];
      run([=](Vec<T> x) __attribute__((always_inline)) { return permute<T>(x, index); });
    } else {
      run([](Vec<T> x) __attribute__((always_inline)) { return x; });
    }
  }
}

template <class T>
using LaneGradKernel = void (*)(const LaneGradRow<T>&);

template <class T, int Step, bool Permuted>
inline constexpr LaneGradKernel<T> kLaneGrads[kMostGradRows] = {&lane_grad_rows<T, 1, Step, Permuted>,
                                                                &lane_grad_rows<T, 2, Step, Permuted>,
                                                                &lane_grad_rows<T, 3, Step, Permuted>};

// By the number of rows of the kernel, less one.
template <class T>
const LaneGradKernel<T>* choose_lane_grads(const LaneColumns& a, bool permuted) {
#define LAMINA_GRADS(Step) permuted ? kLaneGrads<T, Step, true> : kLaneGrads<T, Step, false>
  return a.shared_step() == 0   ? LAMINA_GRADS(0)
         : a.shared_step() == 1 ? LAMINA_GRADS(1)
                                : LAMINA_GRADS(2);
#undef LAMINA_GRADS
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

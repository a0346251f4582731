// Pooling of row-major planes forward one window after another: where windows differ (adaptive), or
// where a row has too few of them to fill a vector.  A window is a set of runs of memory; a long
// run is reduced a vector at a time.
#pragma once

#include "core/parallel.h"
#include "cpu/pool_lanes.h"
#include "cpu/pool_window.h"
#include "cpu/shuffle.h"

namespace lamina::cpu::LAMINA_ISA {

using kernels::PoolShape;

inline constexpr int64_t kFewWindows =
    3;  // of a row with a stride over 2: a vector of them is not worth it
inline constexpr int64_t kRunGrain = 1 << 14;  // taps a chunk: some 5 us

template <class T>
struct RunMax {
  T value;
  int64_t tap;

  LAMINA_INLINE void begin(int64_t first) {
    value = lowest<T>();
    tap = first;
  }
  LAMINA_INLINE void take(T x, int64_t k) {
    const bool wins = (x > value) | (x != x);
    value = wins ? x : value;
    tap = wins ? k : tap;
  }
  // The taps k, k+1, ... are p[0], p[1], ... : first how large, then where.
  LAMINA_INLINE void take_run(const T* p, int64_t n, int64_t k) {
    constexpr int kLane = kLanes<T>;
    if (n < kLane) {
      for (int64_t i = 0; i < n; ++i) take(p[i], k + i);
      return;
    }
    Vec<T> most = load(p + n - kLane), next = most;
    int64_t i = 0;
    for (; i + 2 * kLane <= n; i += 2 * kLane) {
      most = maximum(load(p + i), most);
      next = maximum(load(p + i + kLane), next);
    }
    if (i + kLane <= n) most = maximum(load(p + i), most);
    most = maximum(most, next);
    const T peak = reduce_lanes<T>(most, [](Vec<T> a, Vec<T> b) { return maximum(a, b); });
    if (peak != peak) {
      for (i = n - 1; p[i] == p[i];) --i;
    } else {
      if (!(peak > value)) return;
      for (i = 0; p[i] != peak;) ++i;
    }
    value = peak;
    tap = k + i;
  }
};

template <class T>
struct RunSum {
  T value;

  LAMINA_INLINE void begin(int64_t) { value = T(0); }
  LAMINA_INLINE void take(T x, int64_t) { value += x; }
  LAMINA_INLINE void take_run(const T* p, int64_t n, int64_t) {
    constexpr int kLane = kLanes<T>;
    T rest = T(0);
    int64_t i = 0;
    if (n >= kLane) {
      Vec<T> sum = load(p), next{};
      for (i = kLane; i + 2 * kLane <= n; i += 2 * kLane) {
        sum += load(p + i);
        next += load(p + i + kLane);
      }
      if (i + kLane <= n) {
        sum += load(p + i);
        i += kLane;
      }
      rest = sum_lanes<T>(sum + next);
    }
    for (; i < n; ++i) rest += p[i];
    value += rest;
  }
};

LAMINA_INLINE bool goes_by_runs(const PoolShape& s) {
  return s.adaptive || (s.stride[2] > 2 && s.out[2] <= kFewWindows);
}

// finish(what the window came to, offset in y, windows) writes an output.
template <class T, class Run, class Finish>
LAMINA_INLINE void forward_runs(const PoolShape& s, const T* x, const Finish& finish) {
  const int64_t rows = s.batch * s.channels * s.out[0] * s.out[1];
  const int64_t work = s.out[2] * (s.adaptive ? volume(s.kernel) : 4 * volume(s.kernel));
  const WindowTable windows(s);
  parallel_for(rows, 1 + kRunGrain / work, [&](int64_t begin, int64_t end) {
    int64_t oh = begin % s.out[1], od = begin / s.out[1] % s.out[0];
    int64_t plane = begin / s.out[1] / s.out[0];
    for (int64_t row = begin; row < end; ++row) {
      const Window d = windows.of[0][od], h = windows.of[1][oh];
      for (int64_t ow = 0; ow < s.out[2]; ++ow) {
        const Window w = windows.of[2][ow];
        const bool empty = d.begin >= d.end || h.begin >= h.end || w.begin >= w.end;
        Run run;
        run.begin(empty ? -1 : (d.begin * s.kernel[1] + h.begin) * s.kernel[2] + w.begin);
        for (int64_t kd = d.begin; kd < d.end; ++kd)
          for (int64_t kh = h.begin; kh < h.end; ++kh) {
            const int64_t id = d.first + kd * d.step, ih = h.first + kh * h.step;
            const T* p = x + ((plane * s.in[0] + id) * s.in[1] + ih) * s.in[2] + w.first;
            const int64_t tap = (kd * s.kernel[1] + kh) * s.kernel[2];
            if (w.step == 1) {
              if (w.begin < w.end) run.take_run(p + w.begin, w.end - w.begin, tap + w.begin);
            } else {
              for (int64_t kw = w.begin; kw < w.end; ++kw) run.take(p[kw * w.step], tap + kw);
            }
          }
        finish(run, row * s.out[2] + ow, od, oh, ow);
      }
      if (++oh < s.out[1]) continue;
      oh = 0;
      if (++od < s.out[0]) continue;
      od = 0;
      ++plane;
    }
  });
}

}  // namespace lamina::cpu::LAMINA_ISA

// Register tiles of depthwise convolution: vectors run over channels, each lane a convolution of
// its own.
#pragma once

#include "cpu/conv_tile.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int kDepthwisePixels = 8;  // of the forward tile
inline constexpr int kDepthwiseTaps = 9;    // of the weight gradient's: a 3x3 kernel at once

// Taps in rows: row r holds `count` taps that read x at row[r] + i * step; their weights follow
// each other.
struct TapRows {
  const int64_t* row;
  int64_t rows, count, step;
};

// sum[j] += x[j * pixel + offset(t)] * w[t * w_step] over all taps.  Where neighbouring taps read
// neighbouring pixels
// (`Together`), three taps share their loads: 13 loads for 24 multiply-adds instead of 27.
template <class T, bool Together>
LAMINA_INLINE void depthwise_tile(const TapRows& taps, const T* x, int64_t pixel, const T* w,
                                  int64_t w_step, Vec<T> (&sum)[kDepthwisePixels]) {
  constexpr int P = kDepthwisePixels;
  for (int64_t r = 0; r < taps.rows; ++r) {
    const T* from = x + taps.row[r];
    int64_t i = 0;
    if (Together)
      for (; i + 3 <= taps.count; i += 3, from += 3 * taps.step, w += 3 * w_step) {
        const Vec<T> w0 = load(w), w1 = load(w + w_step), w2 = load(w + 2 * w_step);
        LAMINA_UNROLL
        for (int j = 0; j < P + 2; ++j) {
          const Vec<T> v = load(from + j * pixel);
          if (j < P) sum[j] += v * w0;
          if (j >= 1 && j <= P) sum[j - 1] += v * w1;
          if (j >= 2) sum[j - 2] += v * w2;
        }
      }
    for (; i < taps.count; ++i, from += taps.step, w += w_step) {
      const Vec<T> w0 = load(w);
      LAMINA_UNROLL
      for (int j = 0; j < P; ++j) sum[j] += load(from + j * pixel) * w0;
    }
  }
}

// sum[i] += x[o * pixel + tap[i]] * dy[o * dy_pixel] over a row of `width` positions.
template <class T>
LAMINA_INLINE void depthwise_wgrad_row(const T* x, int64_t pixel, const int64_t* tap, const T* dy,
                                       int64_t dy_pixel, int64_t width,
                                       Vec<T> (&sum)[kDepthwiseTaps]) {
  for (; width > 0; --width, x += pixel, dy += dy_pixel) {
    const Vec<T> g = load(dy);
    LAMINA_UNROLL
    for (int i = 0; i < kDepthwiseTaps; ++i) sum[i] += load(x + tap[i]) * g;
  }
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

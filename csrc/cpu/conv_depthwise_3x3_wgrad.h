// The weight gradient of depthwise convolution with 3x3 kernels and stride 1 or 2, on channels-last
// activations read where they lie (conv_depthwise_3x3.h).
//
// The sums of all nine taps stay in registers while R rows of dy and those of x that they meet pass
// by: 22 loads for 36 multiply-adds with stride 1.  Bound by memory.
#pragma once

#include "cpu/conv_depthwise_3x3.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int64_t kPartWork = 1 << 15;  // multiply-adds of vectors worth sums of their own
inline constexpr int64_t kMostParts3x3 = 32;
inline constexpr int64_t kParts3x3Bytes = int64_t{4} << 20;

// Some rows of dy of one vector of channels, and what they meet.
template <class T>
struct GradBand {
  const T* x;  // column 0 of the first row that is met, which may lie outside of x
  int64_t x_row, x_pixel, columns;
  int64_t met_begin, met_end;  // of the rows that are met, those inside of x
  int64_t pad;                 // columns
  int64_t ahead;               // of x, from a row to what the next band needs of it
  const T* dy;
  int64_t dy_row, dy_pixel, width;
  T* dw;  // [tap][lane]
};

// dw[i][t] += sum of dy[r][o] * x[r * Step + i][o * Step + t - pad].  Edge: some rows are missing.
template <class T, int R, int Step, bool Edge>
__attribute__((noinline)) void wgrad_band(const GradBand<T>& b) {
  constexpr int kMet = (R - 1) * Step + 3;
  Vec<T> sum[kTaps3x3];
  LAMINA_UNROLL
  for (int i = 0; i < kTaps3x3; ++i) sum[i] = load(b.dw + i * kLanes<T>);
  const T* x[kMet];
  LAMINA_UNROLL
  for (int i = 0; i < kMet; ++i) x[i] = b.x + i * b.x_row;
  const T* dy = b.dy;
  for (int64_t o = 0; o < b.width; ++o, dy += b.dy_pixel) {
    if (b.ahead) {
      LAMINA_UNROLL
      for (int i = 3 - Step; i < kMet; ++i)
        __builtin_prefetch(x[i] + o * Step * b.x_pixel + b.ahead);
      LAMINA_UNROLL
      for (int r = 0; r < R; ++r) __builtin_prefetch(dy + (R + r) * b.dy_row);
    }
    Vec<T> g[R];
    LAMINA_UNROLL
    for (int r = 0; r < R; ++r) g[r] = in_register<T>(load(dy + r * b.dy_row));
    LAMINA_UNROLL
    for (int t = 0; t < 3; ++t) {
      const int64_t column = o * Step + t - b.pad;
      if (column < 0 || column >= b.columns) continue;
      LAMINA_UNROLL
      for (int i = 0; i < kMet; ++i) {
        if (Edge && (i < b.met_begin || i >= b.met_end)) continue;
        const Vec<T> pixel = in_register<T>(load(x[i] + column * b.x_pixel));
        LAMINA_UNROLL
        for (int r = 0; r < R; ++r)
          if (i >= r * Step && i < r * Step + 3) sum[(i - r * Step) * 3 + t] += pixel * g[r];
      }
    }
  }
  LAMINA_UNROLL
  for (int i = 0; i < kTaps3x3; ++i) store(b.dw + i * kLanes<T>, sum[i]);
}

// Parts of the bands of all images, cut by the problem alone, have sums of their own.
template <class T>
struct GradPass {
  ChannelVectors<T> vectors;
  int64_t step;
  Plane<T> x, dy;
  int64_t pad_h, pad_w, images, parts;
  T* dw;  // [part][vector][tap][lane]
  bool prefetching;

  LAMINA_INLINE int64_t image_bands() const { return ceil_div(dy.height, kBandRows); }
  LAMINA_INLINE int64_t bands() const { return images * image_bands(); }
  LAMINA_INLINE int64_t part_elements() const { return vectors.count() * kTaps3x3 * kLanes<T>; }

  template <int R>
  LAMINA_INLINE void (*kernel(bool edge) const)(const GradBand<T>&) {
    if (step == 1) return edge ? &wgrad_band<T, R, 1, true> : &wgrad_band<T, R, 1, false>;
    return edge ? &wgrad_band<T, R, 2, true> : &wgrad_band<T, R, 2, false>;
  }

  template <int R>
  void run_rows(int64_t n, int64_t row, T* sums) const {
    const int64_t met_row = row * step - pad_h, met = (R - 1) * step + 3;
    GradBand<T> band{};
    band.x_row = x.row;
    band.x_pixel = x.pixel;
    band.columns = x.width;
    band.met_begin = clamp(-met_row, 0, met);
    band.met_end = clamp(x.height - met_row, 0, met);
    band.pad = pad_w;
    band.ahead = prefetching ? R * step * x.row : 0;
    band.dy_row = dy.row;
    band.dy_pixel = dy.pixel;
    band.width = dy.width;
    const auto run = kernel<R>(band.met_end - band.met_begin < met);
    for (int64_t v = 0; v < vectors.count(); ++v) {
      band.x = x.data + n * x.image + met_row * x.row + vectors.first(v);
      band.dy = dy.data + n * dy.image + row * dy.row + vectors.first(v);
      band.dw = sums + v * kTaps3x3 * kLanes<T>;
      run(band);
    }
  }

  void run(int64_t part) const {
    T* sums = dw + part * part_elements();
    fill_zero(sums, part_elements());
    for (int64_t i = bands() * part / parts; i < bands() * (part + 1) / parts; ++i) {
      const int64_t first = i % image_bands() * kBandRows;
      for_each_rows(first, clamp(first + kBandRows, 0, dy.height),
                    [&]<int R>(int64_t row) __attribute__((always_inline)) {
                      run_rows<R>(i / image_bands(), row, sums);
                    });
    }
  }
};

template <class T>
void wgrad_3x3(const ConvShape& s, const ConvTensor& x, const ConvTensor& dy, T* dw) {
  const Source<T> inputs(x, s, s.in), grads(dy, s, s.out);
  GradPass<T> pass{{s.c},        s.stride[1],
                   inputs.plane, grads.plane,
                   s.pad[1],     s.pad[2],
                   s.n,          1,
                   nullptr,      streams(s.n, inputs.plane)};
  const int64_t vectors = pass.vectors.count(), elements = pass.part_elements();
  const int64_t work = pass.bands() * kBandRows * s.out[2] * kTaps3x3 * vectors;
  const int64_t most = clamp(kParts3x3Bytes / (elements * int64_t{sizeof(T)}), 1, kMostParts3x3);
  pass.parts = clamp(work / kPartWork, 1, clamp(pass.bands(), 1, most));
  Scratch sums(pass.parts * elements * sizeof(T));
  pass.dw = sums.as<T>();
  parallel_for(pass.parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) pass.run(part);
  });
  parallel_for(vectors, 16384 / (kTaps3x3 * kLanes<T> * pass.parts) + 1,
               [&](int64_t begin, int64_t end) {
                 for (int64_t v = begin; v < end; ++v)
                   for (int64_t t = 0; t < kTaps3x3; ++t) {
                     const T* from = pass.dw + (v * kTaps3x3 + t) * kLanes<T>;
                     Vec<T> total = load(from);
                     for (int64_t p = 1; p < pass.parts; ++p) total += load(from + p * elements);
                     // Lanes shared with the vector before are that one's to write.
                     const int64_t first = pass.vectors.first(v);
                     for (int64_t l = v * kLanes<T> - first; l < kLanes<T>; ++l)
                       dw[(first + l) * kTaps3x3 + t] = total[l];
                   }
               });
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

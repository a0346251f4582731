// Sums over taps with few channels in and out on small images (LeNet's second layer): lanes are
// images.
//
//   y[n, k, o] = bias[k] + sum over t, c of w[t, c, k] * x[o + t, c, n]
//
// Rows of 10 or 14 pixels fill no vectors, and a 5x5 kernel's gradient on them would multiply zeros
// of the padding half of the time; 64 images are four whole vectors, at any position.  x is packed
// as [position][channel][image], so that each position leaves out the taps that fall outside, and a
// row of taps is one run in memory.  Register tile: K outputs by P vectors of images: P loads and K
// broadcast weights for K * P multiply-adds.  Sums are turned back, 16 x 16 at a time, on their way
// to y.
#pragma once

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/conv_epilogue.h"
#include "cpu/conv_image_lanes.h"
#include "cpu/conv_small.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int kMaxImageOutputs = 6;                     // of a tile
inline constexpr double kImageRowsBytes = 256 << 10;           // of x that a row of positions meets
inline constexpr int64_t kImageBlockBytes = int64_t{4} << 20;  // of x that is packed at a time

// A row of taps that meet x, with all channels.
struct ImageRun {
  int64_t x, w, count;
};

struct ImageRuns {
  const ImageRun* run;
  int64_t count;
};

// y[k][image] = bias[k] + sum over the runs of x[i][image] * w[i][k].
template <class T, int K, int P>
__attribute__((noinline)) void image_tile(const ImageRuns& runs, const T* x, const T* w,
                                          const T* bias, T* y) {
  constexpr int n = kLanes<T>;
  Vec<T> sum[K][P];
  LAMINA_UNROLL
  for (int i = 0; i < K * P; ++i) sum[i / P][i % P] = broadcast(bias[i / P]);
  for (int64_t r = 0; r < runs.count; ++r) {
    const T* from = x + runs.run[r].x;
    const T* weights = w + runs.run[r].w * K;
    for (int64_t i = runs.run[r].count; i > 0; --i, from += P * n, weights += K) {
      Vec<T> a[P];
      LAMINA_UNROLL
      for (int p = 0; p < P; ++p) a[p] = load(from + p * n);
      LAMINA_UNROLL
      for (int k = 0; k < K; ++k) {
        const Vec<T> b = broadcast(weights[k]);
        LAMINA_UNROLL
        for (int p = 0; p < P; ++p) sum[k][p] += a[p] * b;
      }
    }
  }
  LAMINA_UNROLL
  for (int i = 0; i < K * P; ++i) store(y + i * n, sum[i / P][i % P]);
}

template <class T>
using ImageTile = void (*)(const ImageRuns&, const T*, const T*, const T*, T*);

#define LAMINA_IMAGES(K) {&image_tile<T, K, kImagePlaces / 2>, &image_tile<T, K, kImagePlaces>}
// By outputs - 1, and whether the group of images is a whole one.
template <class T>
inline constexpr ImageTile<T> kImageTiles[kMaxImageOutputs][2] = {
    LAMINA_IMAGES(1), LAMINA_IMAGES(2), LAMINA_IMAGES(3),
    LAMINA_IMAGES(4), LAMINA_IMAGES(5), LAMINA_IMAGES(6),
};
#undef LAMINA_IMAGES

// One sum on a group of images.
template <class T>
struct ImageSum {
  TapSum sum;
  const T* w;     // [group of outputs][tap][c][k of the group]
  const T* bias;  // [k]
  T* y;
  Epilogue<T> epilogue;

  LAMINA_INLINE int64_t output_groups() const { return ceil_div(sum.k, kMaxImageOutputs); }
  LAMINA_INLINE int64_t first_output(int64_t g) const { return sum.k * g / output_groups(); }

  void pack_weights(const ConvShape& shape, const T* from, int64_t stride_k, int64_t stride_c,
                    T* to) const;
  ImageRuns runs_of(const int64_t* o, const ImageGroup& group, ImageRun* run) const;
  void run(const ImageGroup& group, const T* x, int64_t begin, int64_t end) const;
};

template <class T>
void ImageSum<T>::pack_weights(const ConvShape& shape, const T* from, int64_t stride_k,
                               int64_t stride_c, T* to) const {
  const int64_t depth = sum.taps() * sum.c;
  for_each_tap(sum, shape, [&](int64_t position, int64_t t) {
    for (int64_t g = 0; g < output_groups(); ++g) {
      const int64_t k0 = first_output(g), width = first_output(g + 1) - k0;
      for (int64_t c = 0; c < sum.c; ++c)
        for (int64_t k = 0; k < width; ++k)
          to[k0 * depth + (position * sum.c + c) * width + k] =
              from[(k0 + k) * stride_k + c * stride_c + t];
    }
  });
}

template <class T>
ImageRuns ImageSum<T>::runs_of(const int64_t* o, const ImageGroup& group, ImageRun* run) const {
  const AxisTaps* a = sum.axis;
  const TapRange d = taps_inside(sum, 0, o[0]), h = taps_inside(sum, 1, o[1]),
                 w = taps_inside(sum, 2, o[2]);
  const int64_t together = a[2].count == 1 || a[2].offset_step == 1 ? w.count() : 1;
  ImageRuns runs{run, 0};
  for (int64_t i = d.first; i < d.last; ++i)
    for (int64_t j = h.first; j < h.last; ++j)
      for (int64_t l = w.first; l < w.last; l += together) {
        const int64_t at_d = o[0] * sum.step[0] + a[0].offset + i * a[0].offset_step,
                      at_h = o[1] * sum.step[1] + a[1].offset + j * a[1].offset_step,
                      at_w = o[2] * sum.step[2] + a[2].offset + l * a[2].offset_step;
        const int64_t tap = (i * a[1].count + j) * a[2].count + l;
        run[runs.count++] = {((at_d * sum.in[1] + at_h) * sum.in[2] + at_w) * sum.c * group.lanes,
                             tap * sum.c, together * sum.c};
      }
  return runs;
}

// Output rows [begin, end) of the group's images; x is packed.
template <class T>
void ImageSum<T>::run(const ImageGroup& group, const T* x, int64_t begin, int64_t end) const {
  const int64_t width = sum.grid[2], depth = sum.taps() * sum.c, k = sum.k;
  const Scratch made((end - begin) * width * k * group.lanes * sizeof(T));
  const Scratch runs((sum.taps() + 1) * sizeof(ImageRun));
  T* to = made.as<T>();  // [position][k][image]
  for (int64_t row = begin; row < end; ++row)
    for (int64_t w = 0; w < width; ++w) {
      const int64_t o[kConvDims] = {row / sum.grid[1], row % sum.grid[1], w};
      const ImageRuns taps = runs_of(o, group, runs.as<ImageRun>());
      for (int64_t g = 0; g < output_groups(); ++g) {
        const int64_t k0 = first_output(g), outputs = first_output(g + 1) - k0;
        kImageTiles<T>[outputs - 1][group.lanes == kGroupImages<T>](taps, x, this->w + k0* depth,
                                                                    bias + k0, to);
        to += outputs * group.lanes;
      }
    }
  store_image_lanes(sum, group, made.as<T>(), begin, end, y, epilogue);
}

template <class T>
void run_image_sums(const TapSum* sums, int64_t count, const ConvShape& shape, const T* w,
                    int64_t stride_k, int64_t stride_c, const T* x, const T* bias, T* y,
                    const Epilogue<T>& epilogue) {
  const TapSum& any = sums[0];
  const int64_t taps = shape.kernel[0] * shape.kernel[1] * shape.kernel[2];
  Scratch weights((taps * any.c + 1) * any.k * sizeof(T));
  T* biases = weights.as<T>();
  T* packed_weights = biases + any.k;
  for (int64_t k = 0; k < any.k; ++k) biases[k] = bias ? bias[k] : T(0);

  const int64_t pixels = any.in[0] * any.in[1] * any.in[2] * any.c;  // of an image, with channels
  const int64_t groups = ceil_div(any.n, kGroupImages<T>);
  const int64_t bytes = pixels * kGroupImages<T> * static_cast<int64_t>(sizeof(T));
  const int64_t together = clamp(kImageBlockBytes / bytes, 1, groups);
  Scratch packed(together * bytes);
  for (int64_t first = 0; first < groups; first += together) {
    const int64_t some = smaller(together, groups - first);
    const auto x_of = [&](int64_t i) { return packed.as<T>() + i * pixels * kGroupImages<T>; };
    parallel_for(some * kImagePlaces, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const ImageGroup group = image_group<T>(any.n, first + i / kImagePlaces);
        pack_image_lanes(any.in, any.c, any.x_stride, group, i % kImagePlaces, x,
                         x_of(i / kImagePlaces));
      }
    });
    T* packed_sum = packed_weights;
    for (int64_t i = 0; i < count; ++i) {
      const ImageSum<T> sum{sums[i], packed_sum, biases, y, epilogue};
      if (first == 0) sum.pack_weights(shape, w, stride_k, stride_c, packed_sum);
      packed_sum += sums[i].taps() * any.c * any.k;
      const int64_t rows = sums[i].grid[0] * sums[i].grid[1];
      const int64_t work = sums[i].grid[2] * sums[i].taps() * any.c * any.k * kGroupImages<T>;
      const int64_t task = even_part(rows, clamp(kSmallTaskWork / (work + 1), 1, rows));
      const int64_t tasks = ceil_div(rows, task);
      parallel_for(some * tasks, 1, [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t)
          sum.run(image_group<T>(any.n, first + t / tasks), x_of(t / tasks), t % tasks * task,
                  smaller(rows, (t % tasks + 1) * task));
      });
    }
  }
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

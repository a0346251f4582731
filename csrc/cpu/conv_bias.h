// The bias gradient: db[k] = sum of dy over images and positions.  One read of dy, bound by memory:
// rows that follow each other in memory are summed as one, and the lanes of a sum are added once.
#pragma once

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/lanes.h"
#include "cpu/shuffle.h"
#include "kernels/conv.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// The sum of p[0..n).
template <class T>
LAMINA_INLINE T sum_run(const T* p, int64_t n) {
  constexpr int L = kLanes<T>, kChains = 4;  // additions under way at once
  Vec<T> sums[kChains] = {};
  int64_t i = 0;
  for (; i + kChains * L <= n; i += kChains * L)
    for (int chain = 0; chain < kChains; ++chain) sums[chain] += load(p + i + chain * L);
  for (; i < n; i += L) sums[0] += load_lanes(p + i, static_cast<int>(n - i < L ? n - i : L));
  return sum_lanes<T>((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

// sum[k] += dy[k * stride_k + w * stride_w] over the `width` pixels of a row.
template <class T>
LAMINA_INLINE void add_row(const T* dy, int64_t stride_k, int64_t stride_w, int64_t width,
                           int64_t channels, T* sum) {
  constexpr int n = kLanes<T>;
  int64_t k = 0;
  if (stride_k == 1)
    for (; k + n <= channels; k += n) {
      Vec<T> row{};
      for (int64_t w = 0; w < width; ++w) row += load(dy + w * stride_w + k);
      store(sum + k, load(sum + k) + row);
    }
  for (; k < channels; ++k) {
    const T* from = dy + k * stride_k;
    T row = 0;
    if (stride_w == 1)
      row = sum_run(from, width);
    else
      for (int64_t w = 0; w < width; ++w) row += from[w * stride_w];
    sum[k] += row;
  }
}

inline constexpr int64_t kBiasPartElements = 1 << 15;  // summed by one task

// How an image's positions are walked: (d, h) rows of `width` pixels.
struct BiasRows {
  int64_t depth, height, width;

  LAMINA_INLINE BiasRows(const kernels::ConvShape& s, const kernels::ConvTensor& dy)
      : depth(s.out[0]), height(s.out[1]), width(s.out[2]) {
    if (!joins(s, height, dy.stride[3], dy.stride[4])) return;
    width *= height;
    height = 1;
    if (!joins(s, depth, dy.stride[2], dy.stride[4])) return;
    width *= depth;
    depth = 1;
  }

 private:
  // Rows that touch, if together they are not too much for a task.
  LAMINA_INLINE bool joins(const kernels::ConvShape& s, int64_t rows, int64_t stride,
                           int64_t pixel) const {
    return stride == width * pixel && rows * width * s.k <= kBiasPartElements;
  }
};

// Each part of the rows has its own sums; the parts depend on the shape alone and are added in
// order.
template <class T>
void conv_bias_grad(const kernels::ConvShape& s, const kernels::ConvTensor& dy, T* db) {
  const BiasRows image(s, dy);
  const int64_t rows = s.n * image.depth * image.height, width = image.width;
  int64_t part_rows = kBiasPartElements / (width * s.k + 1) + 1;
  const int64_t fewest = (rows + 63) / 64;
  part_rows = part_rows < fewest ? fewest : part_rows;
  const int64_t parts = (rows + part_rows - 1) / part_rows;
  Scratch scratch((parts * s.k + 1) * sizeof(T));
  T* sums = scratch.as<T>();
  parallel_for(rows, part_rows, [&](int64_t begin, int64_t end) {
    T* sum = sums + begin / part_rows * s.k;
    for (int64_t k = 0; k < s.k; ++k) sum[k] = 0;
    for (int64_t r = begin; r < end; ++r) {
      const int64_t h = r % image.height, d = r / image.height % image.depth;
      const int64_t n = r / image.height / image.depth;
      add_row(
          static_cast<const T*>(dy.data) + n * dy.stride[0] + d * dy.stride[2] + h * dy.stride[3],
          dy.stride[1], dy.stride[4], width, s.k, sum);
    }
  });
  for (int64_t k = 0; k < s.k; ++k) {
    T sum = 0;
    for (int64_t p = 0; p < parts; ++p) sum += sums[p * s.k + k];
    db[k] = sum;
  }
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

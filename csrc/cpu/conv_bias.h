// The bias gradient: db[k] = sum of dy over images and positions.  One read of dy, bound by memory.
#pragma once

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/vec.h"
#include "kernels/conv.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

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
    int64_t w = 0;
    if (stride_w == 1) {
      Vec<T> lanes{};
      for (; w + n <= width; w += n) lanes += load(from + w);
      for (int i = 0; i < n; ++i) row += lanes[i];
    }
    for (; w < width; ++w) row += from[w * stride_w];
    sum[k] += row;
  }
}

// Each part of the rows has its own sums; the parts depend on the shape alone and are added in
// order.
template <class T>
void conv_bias_grad(const kernels::ConvShape& s, const kernels::ConvTensor& dy, T* db) {
  constexpr int64_t kPartElements = 1 << 15;
  const int64_t rows = s.n * s.out[0] * s.out[1], width = s.out[2];
  int64_t part_rows = kPartElements / (width * s.k + 1) + 1;
  const int64_t fewest = (rows + 63) / 64;
  part_rows = part_rows < fewest ? fewest : part_rows;
  const int64_t parts = (rows + part_rows - 1) / part_rows;
  Scratch scratch((parts * s.k + 1) * sizeof(T));
  T* sums = scratch.as<T>();
  parallel_for(rows, part_rows, [&](int64_t begin, int64_t end) {
    T* sum = sums + begin / part_rows * s.k;
    for (int64_t k = 0; k < s.k; ++k) sum[k] = 0;
    for (int64_t r = begin; r < end; ++r) {
      const int64_t h = r % s.out[1], d = r / s.out[1] % s.out[0], n = r / s.out[1] / s.out[0];
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

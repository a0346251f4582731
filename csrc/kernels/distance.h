// p-norm distances between all pairs of rows: out[b, i, j] = |x[b, i] - y[b, j]|_p.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lamina::kernels {

struct DistanceShape {
  DType dtype;  // float32 or float64
  int64_t batch, rows, columns, features;
  double p;  // at least 0, or infinity
};

// Elements from one pair (i, j) to the next in i and in j; a batch is rows * columns elements.
struct PairStrides {
  int64_t row, column;
};

// x: (batch, rows, features), y: (batch, columns, features), both contiguous.
struct Distance {
  void (*forward)(const DistanceShape& s, const void* x, const void* y,
                  void* out);  // (batch, rows, columns)
  // dx[b, i] = sum over j of grad[b, i, j] times the gradient of the distance, 0 where that is 0.
  // With x and y exchanged, and the strides, it gives dy.
  void (*backward)(const DistanceShape& s, const PairStrides& strides, const void* x, const void* y,
                   const void* out, const void* grad, void* dx);
};

}  // namespace lamina::kernels

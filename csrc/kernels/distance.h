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

// x: (batch, rows, features), y: (batch, columns, features), out: (batch, rows, columns), all
// contiguous.
struct Distance {
  void (*forward)(const DistanceShape& s, const void* x, const void* y, void* out);
  // dx[b, i] = sum over j of grad[b, i, j] times the gradient of the distance, 0 where that is 0.
  // With x and y exchanged, and grad and out transposed, it gives dy.
  void (*backward)(const DistanceShape& s, const void* x, const void* y, const void* out,
                   const void* grad, void* dx);
  // Of all pairs of rows i < j of one x, (rows, features), row after row: out (rows (rows - 1) / 2).
  void (*pairs)(const DistanceShape& s, const void* x, void* out);
  void (*pairs_backward)(const DistanceShape& s, const void* x, const void* out, const void* grad,
                         void* dx);
};

}  // namespace lamina::kernels

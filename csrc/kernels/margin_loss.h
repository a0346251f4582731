// Hinge losses of rows of scores x (rows, classes); all arrays dense and of one dtype, float32 or
// float64.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lamina::kernels {

struct MarginLossParams {
  int64_t rows, classes;
  double margin;
  bool squared;
};

struct MarginLosses {
  // losses[i] = weight[t] / classes sum_{j != t} h(margin - x[i][t] + x[i][j]),  t = targets[i],
  // h(z) = max(0, z) or its square.  weight: one a class, or null for ones.
  void (*forward)(DType dtype, const MarginLossParams& params, const void* x,
                  const int64_t* targets, const void* weight, void* losses);
  void (*backward)(DType dtype, const MarginLossParams& params, const void* x,
                   const int64_t* targets, const void* weight, const void* dlosses, void* dx);
  // targets (rows, classes): the classes of a row up to its first -1.
  // losses[i] = 1 / classes sum_{t in targets} sum_{j not in targets} max(0, margin - x[t] + x[j])
  void (*multilabel_forward)(DType dtype, const MarginLossParams& params, const void* x,
                             const int64_t* targets, void* losses);
  void (*multilabel_backward)(DType dtype, const MarginLossParams& params, const void* x,
                              const int64_t* targets, const void* dlosses, void* dx);
};

}  // namespace lamina::kernels

// Softmax and log-softmax along the middle of (outer, n, inner), all arrays dense in that order.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lamina::kernels {

struct SoftmaxShape {
  int64_t outer, n, inner;
};

struct Softmax {
  // y = softmax(x), or its logarithm.
  void (*forward)(DType dtype, const SoftmaxShape& shape, bool log, const void* x, void* y);
  // dx = y (dy - sum(dy y)), or for the logarithm dy - exp(y) sum(dy).
  void (*backward)(DType dtype, const SoftmaxShape& shape, bool log, const void* y, const void* dy,
                   void* dx);
};

}  // namespace lamina::kernels

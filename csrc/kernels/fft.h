// The real two-dimensional Fourier transform that convolutions of large kernels run on.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lamina::kernels {

struct RealFft {
  // Whether there is a transform of h x w: products of 2, 3 and 5, w even.
  bool (*offers)(int64_t h, int64_t w);
  // x (count, h, w) to y (count, h, w / 2 + 1, 2), both row-major: the coefficients
  // sum over r, c of x[r, c] * exp(-2 pi i (u r / h + v c / w)), real parts before imaginary ones.
  void (*transform)(DType dtype, int64_t count, int64_t h, int64_t w, const void* x, void* y);
};

}  // namespace lamina::kernels

// Dropout: out[i] = x[i] * m[i] / (1 - p), m[i] = 1 with probability 1 - p.
//
// The mask is a function of the key and of the element's logical (row-major) index, so the backward
// pass draws it again instead of storing it: it is the same call on the gradient.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "core/random.h"
#include "kernels/elementwise.h"

namespace lamina::kernels {

// All arrays of a call: (batch, channels, spatial) row-major, or (batch, spatial, channels) in memory
// if channels_last.
struct DropoutParams {
  PhiloxKey key;
  double p;
  DType dtype;
  int64_t batch, channels, spatial;
  bool channels_last;
};

struct Dropout {
  void (*apply)(const DropoutParams&, const void* x, void* out);
  // An activation f and dropout in one pass, in float32 and float64: out = apply(f(x)), and
  // out = slope(apply(grad), x), slope giving the gradient of f from f's input.  parameters: of f, at
  // least 3 numbers.
  void (*activated)(const DropoutParams&, Unary f, const double* parameters, const void* x,
                    void* out);
  void (*activated_backward)(const DropoutParams&, Binary slope, const double* parameters,
                             const void* grad, const void* x, void* out);
};

}  // namespace lamina::kernels

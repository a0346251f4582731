// Layer normalisation of the rows of x (rows, n), and RMS normalisation, which leaves out the mean.  weight and bias are
// (n), or null for ones and zeros; mean and inv_std are (rows).  All of x's dtype.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lamina::kernels {

struct LayerNormShape {
  int64_t rows, n;
};

struct LayerNormForward {
  LayerNormShape shape;
  DType dtype;
  bool centred;  // layer norm; else RMS norm, which neither subtracts nor writes the mean
  double eps;
  const void *x, *weight, *bias;
  void *y, *mean, *inv_std;
};

struct LayerNormBackward {
  LayerNormShape shape;
  DType dtype;
  bool centred;
  const void *x, *dy, *weight, *mean, *inv_std;
  void *dx, *dweight, *dbias;  // dx may be null; the other two both or neither
};

struct LayerNorm {
  void (*forward)(const LayerNormForward& args);
  void (*backward)(const LayerNormBackward& args);
};

}  // namespace lamina::kernels

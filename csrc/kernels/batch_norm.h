// Batch normalisation of x (outer, channels, inner) in that order of memory; channels-last memory
// has inner = 1.  Per-channel arrays are (channels) of x's dtype; weight and bias may be null (ones
// and zeros).
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "kernels/moments.h"

namespace lamina::kernels {

struct BatchNormShape {
  int64_t outer, channels, inner;
};

struct BatchNormForward {
  BatchNormShape shape;
  DType dtype;
  bool relu;             // y = max(0, y) in the same pass
  const void* residual;  // of x's shape, added before the ReLU; null for none, else `relu` is set
  double eps, momentum;
  const void *x, *weight, *bias;
  void *running_mean, *running_var;  // train: updated where not null; eval: read
  void *mean, *inv_std;              // train and eval: written, for backward; apply: read
  void* y;
  Moments moments;  // train: of x, where a convolution of this device left them; else of no parts
};

struct BatchNormBackward {
  BatchNormShape shape;
  DType dtype;
  bool relu;              // dy counts where the forward's y > 0, which is computed from x again
  bool batch_statistics;  // mean and inv_std depend on x (training), or are constants
  const void *x, *dy, *weight, *bias, *mean, *inv_std;
  const void* y;               // with a residual: the forward's, which says where dy counts
  void* dresidual;             // with a residual: dy where it counts
  void *dx, *dweight, *dbias;  // each may be null
};

struct BatchNorm {
  void (*train)(const BatchNormForward& args);
  void (*eval)(const BatchNormForward& args);
  void (*apply)(const BatchNormForward& args);  // y again, from what train or eval wrote
  void (*backward)(const BatchNormBackward& args);
};

}  // namespace lamina::kernels

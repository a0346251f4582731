// One optimizer step over many tensors in one call.  Every tensor of a call has the dtype; all
// memory of one tensor (parameter, gradient, state) lies in the same order, so that kernels see
// flat arrays.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lamina::kernels {

struct OptimizerTensor {
  void* param;
  const void* grad;
  void* state[3];  // sgd: momentum buffer; adam: mean, mean of squares, its maximum (amsgrad)
  int64_t n;       // elements
  double step;     // adam: which step of this parameter it is, from 1
  bool first;      // sgd: the momentum buffer holds zeros and takes the whole gradient
};

// v = momentum*v + (1-dampening)*g;  p -= lr * (nesterov ? g + momentum*v : v),  g including
// weight_decay*p.
struct SgdParams {
  double lr, momentum, dampening, weight_decay;
  bool nesterov, maximize;
};

// Kingma & Ba, arXiv 1412.6980; decoupled: Loshchilov & Hutter, arXiv 1711.05101.
struct AdamParams {
  double lr, beta1, beta2, eps, weight_decay;
  bool decoupled, amsgrad, maximize;
};

struct Optimizer {
  void (*sgd)(DType dtype, const OptimizerTensor* tensors, int64_t count, const SgdParams& params);
  void (*adam)(DType dtype, const OptimizerTensor* tensors, int64_t count,
               const AdamParams& params);
};

}  // namespace lamina::kernels

// Optimizer steps over lists of parameters, gradients and state.
#pragma once

#include <vector>

#include "core/array.h"
#include "kernels/optimizer.h"

namespace lamina::ops {

using Arrays = std::vector<Array>;

// `momentum_buffers` is empty without momentum; first[i]: the buffer of parameter i holds nothing
// yet.
void sgd_step(const Arrays& params, const Arrays& grads, const Arrays& momentum_buffers,
              const std::vector<bool>& first, const kernels::SgdParams& options);

// `maxima` is empty without amsgrad; steps[i] counts the steps of parameter i from 1.
void adam_step(const Arrays& params, const Arrays& grads, const Arrays& means,
               const Arrays& squares, const Arrays& maxima, const std::vector<double>& steps,
               const kernels::AdamParams& options);

}  // namespace lamina::ops

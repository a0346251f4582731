// Batch normalisation over all dimensions but the second.
#pragma once

#include <optional>

#include "core/array.h"

namespace lamina::ops {

struct BatchNormResult {
  Array y, mean, inv_std;  // the last two are (channels)
};

// Without running statistics, or in training, the batch's own are used; in training the running
// ones are updated.
BatchNormResult batch_norm(const Array& x, const std::optional<Array>& weight,
                           const std::optional<Array>& bias,
                           const std::optional<Array>& running_mean,
                           const std::optional<Array>& running_var, bool training, double momentum,
                           double eps, bool relu);

struct BatchNormGradients {
  Array dx, dweight, dbias;
};

// `y` is the forward's output where that had a ReLU.
BatchNormGradients batch_norm_backward(const Array& x, const std::optional<Array>& y,
                                       const Array& dy, const std::optional<Array>& weight,
                                       const Array& mean, const Array& inv_std,
                                       bool batch_statistics);

}  // namespace lamina::ops

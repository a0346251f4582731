// Batch normalisation over all dimensions but the second.
#pragma once

#include <optional>

#include "core/array.h"
#include "ops/moments.h"

namespace lamina::ops {

struct BatchNormResult {
  Array y, mean, inv_std;  // the last two are (channels)
};

// In training the batch's own statistics are used and the running ones, where given, updated; else
// the running ones are used.  With `relu`, y = max(0, y), and a residual of x's shape may be added
// before that.  moments: what the convolution that made x has found of it, or null.
BatchNormResult batch_norm(const Array& x, const std::optional<Array>& weight,
                           const std::optional<Array>& bias,
                           const std::optional<Array>& running_mean,
                           const std::optional<Array>& running_var, bool training, double momentum,
                           double eps, bool relu, const std::optional<Array>& residual,
                           const Moments* moments);

// The result again, without a residual, from x and from the statistics that came with it.
Array batch_norm_again(const Array& x, const std::optional<Array>& weight,
                       const std::optional<Array>& bias, const Array& mean, const Array& inv_std,
                       bool relu);

struct BatchNormGradients {
  std::optional<Array> dx, dweight, dbias, dresidual;
};

// mean, inv_std: as batch_norm gave them; `training` and `relu` as there; y: its result, where a
// residual was added.
BatchNormGradients batch_norm_backward(const Array& x, const Array& dy,
                                       const std::optional<Array>& y,
                                       const std::optional<Array>& weight,
                                       const std::optional<Array>& bias, const Array& mean,
                                       const Array& inv_std, bool training, bool relu,
                                       bool needs_dx, bool needs_parameters);

}  // namespace lamina::ops

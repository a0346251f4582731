// Layer and RMS normalisation over the last dimensions.
#pragma once

#include <optional>

#include "core/array.h"

namespace lamina::ops {

struct LayerNormResult {
  Array y;
  std::optional<Array> mean;  // absent from RMS normalisation
  Array inv_std;              // both of the shape of the leading dimensions
};

// `normalized` are the sizes of the last dimensions, and of weight and bias.  `centred`: layer norm; else RMS norm.
LayerNormResult layer_norm(const Array& x, const Dims& normalized,
                           const std::optional<Array>& weight, const std::optional<Array>& bias,
                           double eps, bool centred);

struct LayerNormGradients {
  std::optional<Array> dx, dweight, dbias;
};

// mean, inv_std: as layer_norm gave them.
LayerNormGradients layer_norm_backward(const Array& x, const Array& dy, const Dims& normalized,
                                       const std::optional<Array>& weight,
                                       const std::optional<Array>& mean, const Array& inv_std,
                                       bool needs_dx, bool needs_parameters);

}  // namespace lamina::ops

// Group normalisation: over the channels of a group and all positions of an image.
#pragma once

#include <optional>

#include "core/array.h"

namespace lamina::ops {

struct GroupNormResult {
  Array y, mean, inv_std;    // the last two are (N, groups)
  std::optional<Array> var;  // likewise, biased, where asked for
};

// `op` names the caller in errors: "group_norm" or "instance_norm".
GroupNormResult group_norm(const Array& x, int64_t groups, const std::optional<Array>& weight,
                           const std::optional<Array>& bias, double eps, bool wants_var,
                           const char* op);

struct GroupNormGradients {
  std::optional<Array> dx, dweight, dbias;
};

// mean, inv_std: as group_norm gave them.
GroupNormGradients group_norm_backward(const Array& x, const Array& dy, int64_t groups,
                                       const std::optional<Array>& weight, const Array& mean,
                                       const Array& inv_std, bool needs_dx, bool needs_parameters);

}  // namespace lamina::ops

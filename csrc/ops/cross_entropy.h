// Softmax cross-entropy and negative log-likelihood with class targets.
#pragma once

#include <optional>

#include "core/array.h"
#include "ops/loss_reduction.h"

namespace lamina::ops {

struct CrossEntropyOptions {
  int64_t ignore_index;
  double label_smoothing;
  bool log_softmax;
  Reduction reduction;
};

struct CrossEntropyResult {
  Array loss;      // 0-d, or like the targets with Reduction::none
  Array log_sums;  // for backward
  Array divisor;   // 0-d: what the mean divides by
};

CrossEntropyResult cross_entropy(const Array& scores, const Array& targets,
                                 const std::optional<Array>& weight,
                                 const CrossEntropyOptions& options);
Array cross_entropy_backward(const Array& scores, const Array& targets,
                             const std::optional<Array>& weight, const CrossEntropyResult& saved,
                             const Array& grad, const CrossEntropyOptions& options);

}  // namespace lamina::ops

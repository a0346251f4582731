// Losses between scores of classes (outer, classes, inner) and targets (outer, inner), all dense in
// that order.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lamina::kernels {

struct CrossEntropyParams {
  int64_t outer, classes, inner;
  int64_t ignore_index;    // such targets have no loss and no gradient
  double label_smoothing;  // share of the target spread over all classes; 0 without `log_softmax`
  bool log_softmax;        // scores are logits; else they are log-probabilities (NLL)
};

struct CrossEntropy {
  // losses[i]; log_sums[i] = log sum exp of the scores (only with log_softmax); weights_used[i] =
  // weight[target] or 0. weight: one a class, or null for ones.
  void (*forward)(DType dtype, const CrossEntropyParams& params, const void* scores,
                  const int64_t* targets, const void* weight, void* losses, void* log_sums,
                  void* weights_used);
  // dscores from the gradient of every loss.
  void (*backward)(DType dtype, const CrossEntropyParams& params, const void* scores,
                   const int64_t* targets, const void* weight, const void* log_sums,
                   const void* dlosses, void* dscores);
  // loss = sum(losses) / divisor, where divisor = sum(weights_used) for the mean, else 1; summed in
  // double.
  void (*total)(DType dtype, int64_t n, bool mean, const void* losses, const void* weights_used,
                void* loss, void* divisor);
};

}  // namespace lamina::kernels

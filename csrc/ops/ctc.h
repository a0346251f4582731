// Connectionist temporal classification, one loss a sequence.
#pragma once

#include <vector>

#include "core/array.h"

namespace lamina::ops {

struct CtcArguments {
  const Array& log_probs;                      // (steps, batch, classes)
  const Array& targets;                        // (batch, S), or all sequences one after another
  const std::vector<int64_t>& input_lengths;   // steps of each
  const std::vector<int64_t>& target_lengths;  // labels of each
  int64_t blank;
};

struct CtcResult {
  Array losses;     // (batch,)
  Array log_alpha;  // for backward
};

CtcResult ctc_loss(const CtcArguments& arguments);
Array ctc_loss_backward(const CtcArguments& arguments, const CtcResult& saved, const Array& grad,
                        bool zero_infinity);

}  // namespace lamina::ops

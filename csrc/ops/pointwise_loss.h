// Losses an element of an input and a target that broadcast against each other, and against an
// optional weight.
#pragma once

#include <optional>

#include "core/array.h"
#include "kernels/pointwise_loss.h"
#include "ops/loss_reduction.h"

namespace lamina::ops {

struct PointwiseLossArguments {
  const Array& input;
  const Array& target;
  std::optional<Array> positive;  // binary_cross_entropy_with_logits alone
  std::optional<Array> weight;
  double p[2];
};

// 0-d, or of the broadcast shape with Reduction::none; the mean is over the elements.
Array pointwise_loss(kernels::PointwiseLoss loss, const PointwiseLossArguments& arguments,
                     Reduction reduction);
// The gradient by the input, of the broadcast shape, from that of the result.
Array pointwise_loss_backward(kernels::PointwiseLoss loss, const PointwiseLossArguments& arguments,
                              Reduction reduction, const Array& grad);

const char* name(kernels::PointwiseLoss loss);

}  // namespace lamina::ops

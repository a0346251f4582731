// Hinge losses of rows of scores, one loss a row.
#pragma once

#include <optional>

#include "core/array.h"

namespace lamina::ops {

struct MultiMarginOptions {
  std::optional<Array> weight;  // (classes,)
  int64_t power;                // 1 or 2
  double margin;
};

// input (rows, classes), targets (rows,) of class numbers; gives (rows,).
Array multi_margin_loss(const Array& input, const Array& targets,
                        const MultiMarginOptions& options);
Array multi_margin_loss_backward(const Array& input, const Array& targets,
                                 const MultiMarginOptions& options, const Array& grad);

// input and targets (rows, classes); gives (rows,).
Array multilabel_margin_loss(const Array& input, const Array& targets);
Array multilabel_margin_loss_backward(const Array& input, const Array& targets, const Array& grad);

}  // namespace lamina::ops

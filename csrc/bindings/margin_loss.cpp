#include "ops/margin_loss.h"

#include "bindings/bindings.h"

namespace lamina::bindings {

void bind_margin_loss(py::module_& m) {
  def(m, "multi_margin_loss",
      [](const Array& input, const Array& targets, const std::optional<Array>& weight,
         int64_t power, double margin) {
        return ops::multi_margin_loss(input, targets, {weight, power, margin});
      });
  def(m, "multi_margin_loss_backward",
      [](const Array& input, const Array& targets, const std::optional<Array>& weight,
         int64_t power, double margin, const Array& grad) {
        return ops::multi_margin_loss_backward(input, targets, {weight, power, margin}, grad);
      });
  def(m, "multilabel_margin_loss", &ops::multilabel_margin_loss);
  def(m, "multilabel_margin_loss_backward", &ops::multilabel_margin_loss_backward);
}

}  // namespace lamina::bindings

#include "ops/pointwise_loss.h"

#include "bindings/bindings.h"

namespace lamina::bindings {

using kernels::PointwiseLoss;
using MaybeArray = std::optional<Array>;

// Each loss as name(input, target, positive, weight, p, q, reduction) and name_backward(..., grad).
void bind_pointwise_loss(py::module_& m) {
  for (int i = 0; i <= static_cast<int>(PointwiseLoss::poisson_nll_loss); ++i) {
    const auto loss = static_cast<PointwiseLoss>(i);
    const std::string name = ops::name(loss);
    def(m, name.c_str(),
        [loss](const Array& input, const Array& target, const MaybeArray& positive,
               const MaybeArray& weight, double p, double q, int reduction) {
          return ops::pointwise_loss(loss, {input, target, positive, weight, {p, q}},
                                     static_cast<ops::Reduction>(reduction));
        });
    def(m, (name + "_backward").c_str(),
        [loss](const Array& input, const Array& target, const MaybeArray& positive,
               const MaybeArray& weight, double p, double q, int reduction, const Array& grad) {
          return ops::pointwise_loss_backward(loss, {input, target, positive, weight, {p, q}},
                                              static_cast<ops::Reduction>(reduction), grad);
        });
  }
}

}  // namespace lamina::bindings

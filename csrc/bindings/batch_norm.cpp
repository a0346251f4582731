#include "ops/batch_norm.h"

#include "bindings/bindings.h"

namespace lamina::bindings {
namespace {

using Maybe = std::optional<Array>;

}  // namespace

void bind_batch_norm(py::module_& m) {
  def(m, "batch_norm",
      [](const Array& x, const Maybe& weight, const Maybe& bias, const Maybe& running_mean,
         const Maybe& running_var, bool training, double momentum, double eps, bool relu,
         const Maybe& residual, const ops::Moments* moments) {
        auto r = ops::batch_norm(x, weight, bias, running_mean, running_var, training, momentum,
                                 eps, relu, residual, moments);
        return std::tuple(r.y, r.mean, r.inv_std);
      });
  def(m, "batch_norm_again", &ops::batch_norm_again);
  def(m, "batch_norm_backward",
      [](const Array& x, const Array& dy, const Maybe& y, const Maybe& weight, const Maybe& bias,
         const Array& mean, const Array& inv_std, bool training, bool relu, bool needs_dx,
         bool needs_parameters) {
        auto g = ops::batch_norm_backward(x, dy, y, weight, bias, mean, inv_std, training, relu,
                                          needs_dx, needs_parameters);
        return std::tuple(g.dx, g.dweight, g.dbias, g.dresidual);
      });
}

}  // namespace lamina::bindings

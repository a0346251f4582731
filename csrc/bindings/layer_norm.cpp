#include "ops/layer_norm.h"

#include "bindings/bindings.h"

namespace lamina::bindings {
namespace {

using Maybe = std::optional<Array>;

}  // namespace

void bind_layer_norm(py::module_& m) {
  def(m, "layer_norm",
      [](const Array& x, const Dims& normalized, const Maybe& weight, const Maybe& bias, double eps,
         bool centred) {
        auto r = ops::layer_norm(x, normalized, weight, bias, eps, centred);
        return std::tuple(r.y, r.mean, r.inv_std);
      });
  def(m, "layer_norm_backward",
      [](const Array& x, const Array& dy, const Dims& normalized, const Maybe& weight,
         const Maybe& mean, const Array& inv_std, bool needs_dx, bool needs_parameters) {
        auto g = ops::layer_norm_backward(x, dy, normalized, weight, mean, inv_std, needs_dx,
                                          needs_parameters);
        return std::tuple(g.dx, g.dweight, g.dbias);
      });
}

}  // namespace lamina::bindings

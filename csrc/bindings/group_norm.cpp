#include "ops/group_norm.h"

#include "bindings/bindings.h"

namespace lamina::bindings {
namespace {

using Maybe = std::optional<Array>;

}  // namespace

void bind_group_norm(py::module_& m) {
  def(m, "group_norm",
      [](const Array& x, int64_t groups, const Maybe& weight, const Maybe& bias, double eps) {
        auto r = ops::group_norm(x, groups, weight, bias, eps, false, "group_norm");
        return std::tuple(r.y, r.mean, r.inv_std);
      });
  // With the biased variances, which running statistics take in.
  def(m, "instance_norm",
      [](const Array& x, const Maybe& weight, const Maybe& bias, double eps, bool wants_var) {
        const int64_t channels = x.rank() > 1 && x.size(1) > 0 ? x.size(1) : 1;
        auto r = ops::group_norm(x, channels, weight, bias, eps, wants_var, "instance_norm");
        return std::tuple(r.y, r.mean, r.inv_std, r.var);
      });
  def(m, "group_norm_backward",
      [](const Array& x, const Array& dy, int64_t groups, const Maybe& weight, const Array& mean,
         const Array& inv_std, bool needs_dx, bool needs_parameters) {
        auto g = ops::group_norm_backward(x, dy, groups, weight, mean, inv_std, needs_dx,
                                          needs_parameters);
        return std::tuple(g.dx, g.dweight, g.dbias);
      });
}

}  // namespace lamina::bindings

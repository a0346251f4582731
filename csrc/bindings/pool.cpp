#include "ops/pool.h"

#include <string>

#include "bindings/bindings.h"

namespace lamina::bindings {

void bind_pool(py::module_& m) {
  py::class_<ops::PoolGeometry>(m, "PoolGeometry");
  m.def("pool_geometry",
        [](const Array& x, const Dims& kernel, const Dims& stride, const Dims& padding,
           const Dims& dilation, bool ceil_mode, const std::string& op) {
          return ops::pool_geometry(x, {kernel, stride, padding, dilation, ceil_mode}, op.c_str());
        });
  m.def("adaptive_pool_geometry",
        [](const Array& x, const Dims& output_size, const std::string& op) {
          return ops::adaptive_pool_geometry(x, output_size, op.c_str());
        });
  def(m, "max_pool", &ops::max_pool);
  def(m, "max_pool_backward", &ops::max_pool_backward);
  def(m, "max_pool_gather", &ops::max_pool_gather);
  def(m, "max_pool_indices", &ops::max_pool_indices);
  def(m, "avg_pool", &ops::avg_pool);
  def(m, "avg_pool_backward", &ops::avg_pool_backward);
}

}  // namespace lamina::bindings

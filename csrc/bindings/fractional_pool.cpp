#include "ops/fractional_pool.h"

#include "bindings/bindings.h"

namespace lamina::bindings {

void bind_fractional_pool(py::module_& m) {
  def(m, "fractional_max_pool_indices", &ops::fractional_max_pool_indices);
}

}  // namespace lamina::bindings

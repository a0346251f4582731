#include "ops/local_response_norm.h"

#include "bindings/bindings.h"

namespace lamina::bindings {

void bind_local_response_norm(py::module_& m) {
  def(m, "local_response_norm",
      [](const Array& x, int64_t size, double alpha, double beta, double k) {
        return ops::local_response_norm(x, {size, alpha, beta, k});
      });
  def(m, "local_response_norm_backward",
      [](const Array& x, const Array& dy, int64_t size, double alpha, double beta, double k) {
        return ops::local_response_norm_backward(x, dy, {size, alpha, beta, k});
      });
}

}  // namespace lamina::bindings

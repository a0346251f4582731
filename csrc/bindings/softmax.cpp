#include "ops/softmax.h"

#include "bindings/bindings.h"

namespace lamina::bindings {

void bind_softmax(py::module_& m) {
  def(m, "softmax", &ops::softmax);
  def(m, "softmax_backward", &ops::softmax_backward);
}

}  // namespace lamina::bindings

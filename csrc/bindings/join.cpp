#include "ops/join.h"

#include "bindings/bindings.h"

namespace lamina::bindings {

void bind_join(py::module_& m) {
  def(m, "cat", &ops::cat);
  def(m, "stack", &ops::stack);
  def(m, "split", &ops::split);
  def(m, "unbind", &ops::unbind);
}

}  // namespace lamina::bindings

#include "ops/rearrange.h"

#include "bindings/bindings.h"

namespace lamina::bindings {

void bind_rearrange(py::module_& m) {
  def(m, "new_zeros", &ops::new_zeros);
  def(m, "flip", &ops::flip);
  def(m, "roll", &ops::roll);
  def(m, "triangle", &ops::triangle);
  def(m, "fold", &ops::fold);
}

}  // namespace lamina::bindings

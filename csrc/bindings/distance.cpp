#include "ops/distance.h"

#include "bindings/bindings.h"

namespace lamina::bindings {

void bind_distance(py::module_& m) {
  def(m, "cdist", &ops::cdist);
  def(m, "pdist", &ops::pdist);
  def(m, "pdist_backward", &ops::pdist_backward);
  def(m, "cdist_backward", &ops::cdist_backward);
}

}  // namespace lamina::bindings

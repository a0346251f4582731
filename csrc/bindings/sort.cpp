#include "ops/sort.h"

#include "bindings/bindings.h"

namespace lamina::bindings {

void bind_sort(py::module_& m) {
  def(m, "sort", &ops::sort);
  def(m, "searchsorted", &ops::searchsorted);
  def(m, "runs", &ops::runs);
}

}  // namespace lamina::bindings

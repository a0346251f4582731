#include "ops/shape.h"

#include "bindings/bindings.h"
#include "ops/loop.h"

namespace lamina::bindings {

void bind_shape(py::module_& m) {
  def(m, "reshape", &ops::reshape);
  def(m, "view", &ops::view);
  def(m, "view_dtype", &ops::view_dtype);
  def(m, "permute", &ops::permute);
  def(m, "transpose", &ops::transpose);
  def(m, "expand", &ops::expand);
  def(m, "squeeze", &ops::squeeze);
  def(m, "unsqueeze", &ops::unsqueeze);
  def(m, "select", &ops::select);
  def(m, "slice", &ops::slice);
  def(m, "diagonal", &ops::diagonal);
  def(m, "as_strided", &ops::as_strided);
  def(m, "unfold", &ops::unfold);
  m.def("broadcast_shapes", [](const Dims& a, const Dims& b) {
    return ops::broadcast_shapes(a, b, "broadcast_shapes");
  });
}

}  // namespace lamina::bindings

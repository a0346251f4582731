#include "ops/elementwise.h"

#include "bindings/bindings.h"

namespace lamina::bindings {
namespace {

using kernels::Binary;
using ops::Operand;

// name(a, b) -> Array, and name_out(a, b, out), which also serves in-place ops.
template <Binary op>
void def_binary(py::module_& m, const char* name) {
  def(m, name, [](const Operand& a, const Operand& b) { return ops::binary(op, a, b); });
  def(m, (std::string(name) + "_out").c_str(),
      [](const Operand& a, const Operand& b, const Array& out) { ops::binary_out(op, a, b, out); });
}

}  // namespace

void bind_elementwise(py::module_& m) {
  def_binary<Binary::add>(m, "add");
  def_binary<Binary::subtract>(m, "sub");
  def_binary<Binary::multiply>(m, "mul");
  def_binary<Binary::divide>(m, "div");
  def(m, "cast", &ops::cast);
  def(m, "clone", &ops::clone);
  def(m, "contiguous", &ops::contiguous);
  def(m, "channels_last", &ops::channels_last);
  def(m, "copy_to", [](const Array& dst, const Array& src) {
    ops::begin_write(dst, "copy_");
    ops::copy_to(dst, src);
  });
  def(m, "fill", &ops::fill);
  m.def("result_type", &ops::result_type);
  m.def("promote", &ops::promote);
  m.def("default_dtype", &ops::default_dtype);
  m.def("set_default_dtype", &ops::set_default_dtype);
}

}  // namespace lamina::bindings

#include "ops/matmul.h"

#include "bindings/bindings.h"

namespace lamina::bindings {

void bind_matmul(py::module_& m) {
  def(m, "matmul", &ops::matmul);
  def(m, "mm", &ops::mm);
  def(m, "bmm", &ops::bmm);
  def(m, "mv", &ops::mv);
  def(m, "dot", &ops::dot);
  def(m, "addmm", &ops::addmm);
  def(m, "baddbmm", &ops::baddbmm);
  def(m, "linear", &ops::linear);
  def(m, "multiply_registers", &ops::multiply_registers);
}

}  // namespace lamina::bindings

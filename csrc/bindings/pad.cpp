#include "ops/pad.h"

#include "bindings/bindings.h"

namespace lamina::bindings {

void bind_pad(py::module_& m) {
  py::enum_<ops::PadMode>(m, "PadMode")
      .value("constant", ops::PadMode::constant)
      .value("reflect", ops::PadMode::reflect)
      .value("replicate", ops::PadMode::replicate)
      .value("circular", ops::PadMode::circular);
  def(m, "pad", &ops::pad);
  def(m, "pad_backward", &ops::pad_backward);
}

}  // namespace lamina::bindings

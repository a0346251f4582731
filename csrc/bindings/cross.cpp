#include "ops/cross.h"

#include "bindings/bindings.h"

namespace lamina::bindings {

void bind_cross(py::module_& m) { def(m, "cross", &ops::cross); }

}  // namespace lamina::bindings

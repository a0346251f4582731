#include "ops/fft.h"

#include "bindings/bindings.h"

namespace lamina::bindings {

void bind_fft(py::module_& m) { def(m, "rfft2", &ops::rfft2); }

}  // namespace lamina::bindings

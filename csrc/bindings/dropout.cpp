#include "ops/dropout.h"

#include "bindings/bindings.h"
#include "bindings/generator.h"

namespace lamina::bindings {

void bind_dropout(py::module_& m) {
  def(m, "dropout", [](const Array& x, double p, RandomKey key) {
    return ops::dropout(x, p, {key.first, key.second});
  });
}

}  // namespace lamina::bindings

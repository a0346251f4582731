#include "ops/variates.h"

#include "bindings/bindings.h"
#include "bindings/generator.h"

namespace lamina::bindings {

void bind_variates(py::module_& m) {
  using Handle = const GeneratorHandle*;
  def(m, "standard_gamma",
      [](const Array& shape, Handle h) { return ops::standard_gamma(shape, next_key(h)); });
  def(m, "standard_gamma_grad", &ops::standard_gamma_grad);
  def(m, "poisson", [](const Array& rate, Handle h) { return ops::poisson(rate, next_key(h)); });
  def(m, "binomial", [](const Array& count, const Array& probability, Handle h) {
    return ops::binomial(count, probability, next_key(h));
  });
}

}  // namespace lamina::bindings

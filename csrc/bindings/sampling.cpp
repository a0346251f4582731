#include "ops/sampling.h"

#include "bindings/bindings.h"
#include "bindings/generator.h"

namespace lamina::bindings {

void bind_sampling(py::module_& m) {
  using Handle = const GeneratorHandle*;
  def(m, "bernoulli_each", [](const Array& p, Handle h) { return ops::bernoulli(p, next_key(h)); });
  def(m, "randperm", [](int64_t n, Handle h) { return ops::randperm(n, next_key(h)); });
  def(m, "multinomial", [](const Array& weights, int64_t samples, bool replacement, Handle h) {
    return ops::multinomial(weights, samples, replacement, next_key(h));
  });
}

}  // namespace lamina::bindings

#include "ops/random.h"

#include <algorithm>

#include "bindings/bindings.h"
#include "bindings/generator.h"
#include "core/check.h"

namespace lamina::bindings {
namespace {

using Handle = const GeneratorHandle*;

py::bytes state(const GeneratorHandle& handle) {
  const Generator::State state = handle.generator->state();
  return py::bytes(reinterpret_cast<const char*>(state.data()), state.size());
}

void set_state(const GeneratorHandle& handle, const py::bytes& bytes) {
  const std::string_view text = bytes;
  Generator::State state;
  check(text.size() == state.size(), "[set_state] expected ", state.size(), " bytes, got ",
        text.size());
  std::copy(text.begin(), text.end(), state.begin());
  handle.generator->set_state(state);
}

}  // namespace

void bind_random(py::module_& m) {
  py::class_<GeneratorHandle>(m, "Generator")
      .def(py::init([](bool is_default) {
        if (!is_default) return GeneratorHandle{std::make_shared<Generator>()};
        return GeneratorHandle{{&default_generator(), [](Generator*) {}}};
      }))
      .def("manual_seed",
           [](const GeneratorHandle& h, uint64_t seed) { h.generator->manual_seed(seed); })
      .def("seed", [](const GeneratorHandle& h) { return h.generator->seed(); })
      .def("initial_seed", [](const GeneratorHandle& h) { return h.generator->initial_seed(); })
      .def("get_state", &state)
      .def("set_state", &set_state);

  m.def("next_key", [](Handle h) {
    const PhiloxKey key = next_key(h);
    return RandomKey{key.seed, key.stream};
  });
  def(m, "uniform", [](const Array& dst, double low, double high, Handle h) {
    ops::uniform(dst, low, high, next_key(h));
  });
  def(m, "normal", [](const Array& dst, double mean, double std, Handle h) {
    ops::normal(dst, mean, std, next_key(h));
  });
  def(m, "exponential",
      [](const Array& dst, double rate, Handle h) { ops::exponential(dst, rate, next_key(h)); });
  def(m, "randint", [](const Array& dst, int64_t low, int64_t high, Handle h) {
    ops::integers(dst, low, high, next_key(h));
  });
  def(m, "bernoulli",
      [](const Array& dst, double p, Handle h) { ops::bernoulli(dst, p, next_key(h)); });
}

}  // namespace lamina::bindings

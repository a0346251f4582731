#include "ops/variates.h"

#include "core/check.h"
#include "kernels/registry.h"
#include "kernels/variates.h"
#include "ops/elementwise.h"
#include "ops/one_device.h"

namespace lamina::ops {
namespace {

using kernels::Draws;
using kernels::Variates;

// Calls run(kernels, draws) on one or two parameters in row-major order; 16-bit floats draw in
// float32.
template <class Run>
Array draw(const Array& a, const Array* b, PhiloxKey key, const char* op, Run run) {
  check<TypeError>(is_floating(a.dtype()) && (!b || b->dtype() == a.dtype()), "[", op,
                   "] expected floating parameters of one dtype, got ", name(a.dtype()),
                   b ? " and " : "", b ? name(b->dtype()) : "");
  if (b) {
    check_one_device(op, {&a, b});
    check(a.shape() == b->shape(), "[", op, "] expected parameters of one shape, got ", a.shape(),
          " and ", b->shape());
  }
  const DType dtype = a.dtype() == DType::float64 ? DType::float64 : DType::float32;
  const Array first = contiguous(cast(a, dtype)), second = b ? contiguous(cast(*b, dtype)) : first;
  const Array out = Array::empty(a.shape(), dtype, a.device(), op);
  if (out.numel() > 0)
    run(kernels::on<Variates>(a.device()),
        Draws{key, dtype, out.numel(), first.raw(), b ? second.raw() : nullptr, out.raw()});
  return cast(out, a.dtype());
}

}  // namespace

Array standard_gamma(const Array& shape, PhiloxKey key) {
  return draw(shape, nullptr, key, "standard_gamma", [](const auto& kernels, const Draws& d) {
    check(kernels.gamma(d), "[standard_gamma] expected shapes >= 0, got a negative one or NaN");
  });
}

Array standard_gamma_grad(const Array& shape, const Array& draws) {
  return draw(shape, &draws, {}, "standard_gamma_grad",
              [](const auto& kernels, const Draws& d) { kernels.gamma_grad(d); });
}

Array poisson(const Array& rate, PhiloxKey key) {
  return draw(rate, nullptr, key, "poisson", [](const auto& kernels, const Draws& d) {
    check(kernels.poisson(d), "[poisson] expected rates >= 0, got a negative one or NaN");
  });
}

Array binomial(const Array& count, const Array& probability, PhiloxKey key) {
  return draw(count, &probability, key, "binomial", [](const auto& kernels, const Draws& d) {
    check(kernels.binomial(d),
          "[binomial] expected whole counts >= 0 and probabilities in [0, 1], got others");
  });
}

}  // namespace lamina::ops

#include "ops/dropout.h"

#include "core/check.h"
#include "kernels/dropout.h"
#include "kernels/registry.h"

namespace lamina::ops {
namespace {

// x in an order that kernels take.
Array ordered(const Array& x) {
  return !x.is_contiguous() && x.is_channels_last() ? x : contiguous(x);
}

kernels::DropoutParams dropout_params(const Array& x, double p, PhiloxKey key) {
  check(p >= 0 && p <= 1, "[dropout] expected 0 <= p <= 1, got ", p);
  const bool channels_last = !x.is_contiguous();
  const int64_t batch = channels_last ? x.size(0) : 1, channels = channels_last ? x.size(1) : 1;
  const int64_t spatial = x.numel() == 0 ? 0 : x.numel() / (batch * channels);
  return {key, p, x.dtype(), batch, channels, spatial, channels_last};
}

void check_activated(const Array& x) {
  check<TypeError>(x.dtype() == DType::float32 || x.dtype() == DType::float64,
                   "[activated_dropout] expected float32 or float64, got ", name(x.dtype()));
}

}  // namespace

Array dropout(const Array& x, double p, PhiloxKey key) {
  check<TypeError>(is_floating(x.dtype()), "[dropout] expected a floating dtype, got ",
                   name(x.dtype()));
  const Array source = ordered(x), out = Array::empty_like(source, x.dtype());
  const auto params = dropout_params(source, p, key);
  if (x.numel() > 0)
    kernels::on<kernels::Dropout>(x.device()).apply(params, source.raw(), out.raw());
  return out;
}

Array activated_dropout(kernels::Unary f, const Array& x, const Parameters& parameters, double p,
                        PhiloxKey key) {
  check_activated(x);
  const Array source = ordered(x), out = Array::empty_like(source, x.dtype());
  const auto params = dropout_params(source, p, key);
  if (x.numel() > 0)
    kernels::on<kernels::Dropout>(x.device())
        .activated(params, f, parameters.p, source.raw(), out.raw());
  return out;
}

Array activated_dropout_backward(kernels::Binary slope, const Array& grad, const Array& x,
                                 const Parameters& parameters, double p, PhiloxKey key) {
  check_activated(x);
  check(grad.shape() == x.shape() && grad.dtype() == x.dtype() && grad.device() == x.device(),
        "[activated_dropout] expected a gradient like the input, ", x.shape(), ", got ",
        grad.shape());
  const Array source = ordered(x), out = Array::empty_like(source, x.dtype());
  Array along = grad;
  if (grad.strides() != source.strides()) {
    along = Array::empty_like(source, x.dtype());
    copy_to(along, grad);
  }
  const auto params = dropout_params(source, p, key);
  if (x.numel() > 0)
    kernels::on<kernels::Dropout>(x.device())
        .activated_backward(params, slope, parameters.p, along.raw(), source.raw(), out.raw());
  return out;
}

}  // namespace lamina::ops

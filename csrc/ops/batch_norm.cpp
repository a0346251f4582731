#include "ops/batch_norm.h"

#include "kernels/batch_norm.h"
#include "kernels/registry.h"
#include "ops/elementwise.h"

namespace lamina::ops {
namespace {

using kernels::BatchNormShape;

bool is_rows(const Array& x) { return x.rank() >= 3 && !x.is_contiguous() && x.is_channels_last(); }

BatchNormShape shape_of(const Array& x) {
  const int64_t channels = x.size(1), n = channels ? x.numel() / channels : 0;
  if (is_rows(x) || x.rank() == 2) return {n, channels, 1};
  return {x.size(0), channels, x.size(0) ? n / x.size(0) : 0};
}

Array in_order_of(const Array& a, bool rows) { return rows ? channels_last(a) : contiguous(a); }

void check_channels(const std::optional<Array>& a, const Array& x, const char* what) {
  if (!a) return;
  check(a->shape() == Dims{x.size(1)} && a->dtype() == x.dtype() && a->device() == x.device(),
        "[batch_norm] expected ", what, " of shape (", x.size(1), ",) and ", name(x.dtype()),
        " on ", name(x.device()), ", got ", a->shape(), " and ", name(a->dtype()), " on ",
        name(a->device()));
}

// The values one after the other, as kernels want them.
std::optional<Array> packed(const std::optional<Array>& a) {
  return a ? std::optional(contiguous(*a)) : a;
}

void* raw_or_null(const std::optional<Array>& a) { return a ? a->raw() : nullptr; }

}  // namespace

BatchNormResult batch_norm(const Array& input, const std::optional<Array>& weight,
                           const std::optional<Array>& bias,
                           const std::optional<Array>& running_mean,
                           const std::optional<Array>& running_var, bool training, double momentum,
                           double eps, bool relu) {
  check<TypeError>(input.dtype() == DType::float32 || input.dtype() == DType::float64,
                   "[batch_norm] expected float32 or float64, got ", name(input.dtype()));
  check(input.rank() >= 2 && input.rank() <= 5,
        "[batch_norm] expected 2 to 5 dimensions (N, C, ...), got shape ", input.shape());
  check_channels(weight, input, "weight");
  check_channels(bias, input, "bias");
  check_channels(running_mean, input, "running_mean");
  check_channels(running_var, input, "running_var");
  check(eps >= 0, "[batch_norm] expected eps of at least 0, got ", eps);
  check(training || (running_mean && running_var),
        "[batch_norm] expected running_mean and running_var where training is False");
  const int64_t count = input.size(1) ? input.numel() / input.size(1) : 0;
  check(!training || count != 1,
        "[batch_norm] expected more than 1 value per channel when training, got shape ",
        input.shape());

  const Array x = in_order_of(input, is_rows(input));
  BatchNormResult r{Array::empty_like(x, x.dtype()),
                    Array::empty({x.size(1)}, x.dtype(), x.device()),
                    Array::empty({x.size(1)}, x.dtype(), x.device())};
  if (x.numel() == 0) {
    fill(r.mean, Scalar::of(0.0));
    fill(r.inv_std, Scalar::of(0.0));
    return r;
  }
  if (training)
    for (const auto* a : {&running_mean, &running_var})
      if (*a) begin_write(**a, "batch_norm");
  const auto w = packed(weight), b = packed(bias), m = packed(running_mean),
             v = packed(running_var);
  const kernels::BatchNormForward args{
      shape_of(x),    x.dtype(),      relu,           eps,
      momentum,       x.raw(),        raw_or_null(w), raw_or_null(b),
      raw_or_null(m), raw_or_null(v), r.mean.raw(),   r.inv_std.raw(),
      r.y.raw()};
  const auto& kernel = kernels::on<kernels::BatchNorm>(x.device());
  (training ? kernel.train : kernel.eval)(args);
  if (training) {
    if (m && m->raw() != running_mean->raw()) copy_to(*running_mean, *m);
    if (v && v->raw() != running_var->raw()) copy_to(*running_var, *v);
  }
  return r;
}

BatchNormGradients batch_norm_backward(const Array& input, const Array& grad,
                                       const std::optional<Array>& weight,
                                       const std::optional<Array>& bias, const Array& mean,
                                       const Array& inv_std, bool training, bool relu,
                                       bool needs_dx, bool needs_parameters) {
  check(grad.shape() == input.shape() && grad.dtype() == input.dtype(),
        "[batch_norm] expected a gradient of shape ", input.shape(), " and ", name(input.dtype()),
        ", got ", grad.shape(), " and ", name(grad.dtype()));
  check_channels(weight, input, "weight");
  check_channels(bias, input, "bias");
  check_channels(mean, input, "mean");
  check_channels(inv_std, input, "inv_std");
  const bool rows = is_rows(input);
  const Array x = in_order_of(input, rows), dy = in_order_of(grad, rows);
  const auto w = packed(weight), b = packed(bias), m = packed(mean), s = packed(inv_std);
  BatchNormGradients g;
  if (needs_dx) g.dx = Array::empty_like(x, x.dtype());
  if (needs_parameters) {
    g.dweight = Array::empty({x.size(1)}, x.dtype(), x.device());
    g.dbias = Array::empty({x.size(1)}, x.dtype(), x.device());
  }
  if (x.numel() == 0) {
    for (const auto* a : {&g.dweight, &g.dbias})
      if (*a) fill(**a, Scalar::of(0.0));
    return g;
  }
  kernels::on<kernels::BatchNorm>(x.device())
      .backward({shape_of(x), x.dtype(), relu, training, x.raw(), dy.raw(), raw_or_null(w),
                 raw_or_null(b), m->raw(), s->raw(), raw_or_null(g.dx), raw_or_null(g.dweight),
                 raw_or_null(g.dbias)});
  return g;
}

}  // namespace lamina::ops

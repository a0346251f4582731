#include "ops/batch_norm.h"

#include "kernels/batch_norm.h"
#include "kernels/registry.h"
#include "ops/channel_layout.h"

namespace lamina::ops {
namespace {

using kernels::BatchNormShape;

BatchNormShape shape_of(const Array& x) {
  const ChannelShape s = channel_shape(x);
  return {s.outer, s.channels, s.inner};
}

void check_channels(const std::optional<Array>& a, const Array& x, const char* what) {
  check_parameter(a, Dims{x.size(1)}, x, "batch_norm", what);
}

}  // namespace

BatchNormResult batch_norm(const Array& input, const std::optional<Array>& weight,
                           const std::optional<Array>& bias,
                           const std::optional<Array>& running_mean,
                           const std::optional<Array>& running_var, bool training, double momentum,
                           double eps, bool relu, const std::optional<Array>& residual,
                           const Moments* moments) {
  check_real(input, "batch_norm");
  check(input.rank() >= 2 && input.rank() <= 5,
        "[batch_norm] expected 2 to 5 dimensions (N, C, ...), got shape ", input.shape());
  check_channels(weight, input, "weight");
  check_channels(bias, input, "bias");
  check_channels(running_mean, input, "running_mean");
  check_channels(running_var, input, "running_var");
  check(training ? eps > 0 : eps >= 0, "[batch_norm] expected eps ",
        training ? "above 0 when training" : "of at least 0", ", got ", eps);
  if (residual) {
    check(relu, "[batch_norm] expected relu with a residual");
    check_parameter(residual, input.shape(), input, "batch_norm", "a residual");
  }
  check(training || (running_mean && running_var),
        "[batch_norm] expected running_mean and running_var where training is False");
  const int64_t count = input.size(1) ? input.numel() / input.size(1) : 0;
  check(!training || count != 1,
        "[batch_norm] expected more than 1 value per channel when training, got shape ",
        input.shape());
  if (moments)
    check(moments->parts.size(0) == input.size(1) && moments->parts.device() == input.device() &&
              moments->found->count > 0 &&
              (count + moments->found->rows - 1) / moments->found->rows == moments->found->count,
          "[batch_norm] expected moments of the input, got others, for shape ", input.shape());

  const Array x = in_order(input, channels_are_rows(input));
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
  const auto added = in_order(residual, channels_are_rows(input));
  kernels::Moments known;
  if (moments) known = *moments->found;
  const kernels::BatchNormForward args{shape_of(x),
                                       x.dtype(),
                                       relu,
                                       raw_or_null(added),
                                       eps,
                                       momentum,
                                       x.raw(),
                                       raw_or_null(w),
                                       raw_or_null(b),
                                       raw_or_null(m),
                                       raw_or_null(v),
                                       r.mean.raw(),
                                       r.inv_std.raw(),
                                       r.y.raw(),
                                       known};
  const auto& kernel = kernels::on<kernels::BatchNorm>(x.device());
  (training ? kernel.train : kernel.eval)(args);
  if (training) {
    if (m && m->raw() != running_mean->raw()) copy_to(*running_mean, *m);
    if (v && v->raw() != running_var->raw()) copy_to(*running_var, *v);
  }
  return r;
}

Array batch_norm_again(const Array& input, const std::optional<Array>& weight,
                       const std::optional<Array>& bias, const Array& mean, const Array& inv_std,
                       bool relu) {
  check_real(input, "batch_norm");
  check_channels(weight, input, "weight");
  check_channels(bias, input, "bias");
  check_channels(mean, input, "mean");
  check_channels(inv_std, input, "inv_std");
  const Array x = in_order(input, channels_are_rows(input));
  Array y = Array::empty_like(x, x.dtype());
  if (x.numel() == 0) return y;
  const auto w = packed(weight), b = packed(bias), m = packed(mean), s = packed(inv_std);
  kernels::BatchNormForward args{};
  args.shape = shape_of(x);
  args.dtype = x.dtype();
  args.relu = relu;
  args.x = x.raw();
  args.weight = raw_or_null(w);
  args.bias = raw_or_null(b);
  args.mean = m->raw();
  args.inv_std = s->raw();
  args.y = y.raw();
  kernels::on<kernels::BatchNorm>(x.device()).apply(args);
  return y;
}

BatchNormGradients batch_norm_backward(const Array& input, const Array& grad,
                                       const std::optional<Array>& y,
                                       const std::optional<Array>& weight,
                                       const std::optional<Array>& bias, const Array& mean,
                                       const Array& inv_std, bool training, bool relu,
                                       bool needs_dx, bool needs_parameters) {
  check_gradient(grad, input, "batch_norm");
  check_channels(weight, input, "weight");
  check_channels(bias, input, "bias");
  if (y) check_parameter(y, input.shape(), input, "batch_norm", "an output");
  check_channels(mean, input, "mean");
  check_channels(inv_std, input, "inv_std");
  const bool rows = channels_are_rows(input);
  const Array x = in_order(input, rows), dy = in_order(grad, rows);
  const auto w = packed(weight), b = packed(bias), m = packed(mean), s = packed(inv_std);
  const auto out = in_order(y, rows);
  BatchNormGradients g;
  if (y) g.dresidual = Array::empty_like(x, x.dtype());
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
                 raw_or_null(b), m->raw(), s->raw(), raw_or_null(out), raw_or_null(g.dresidual),
                 raw_or_null(g.dx), raw_or_null(g.dweight), raw_or_null(g.dbias)});
  return g;
}

}  // namespace lamina::ops

#include "ops/group_norm.h"

#include "kernels/group_norm.h"
#include "kernels/registry.h"
#include "ops/channel_layout.h"

namespace lamina::ops {
namespace {

using kernels::GroupNormShape;

GroupNormShape shape_of(const Array& x, int64_t groups) {
  const int64_t images = x.size(0), channels = x.size(1), n = images * channels;
  return {images, groups, channels / groups, n ? x.numel() / n : 0, channels_are_rows(x)};
}

void check_groups(const Array& x, int64_t groups, const char* op) {
  check_real(x, op);
  check(x.rank() >= 2, "[", op, "] expected at least 2 dimensions (N, C, ...), got shape ",
        x.shape());
  check(groups >= 1, "[", op, "] expected groups of at least 1, got ", groups);
  check(x.size(1) % groups == 0, "[", op, "] expected a number of channels that ", groups,
        " groups divide, got shape ", x.shape());
}

}  // namespace

GroupNormResult group_norm(const Array& input, int64_t groups, const std::optional<Array>& weight,
                           const std::optional<Array>& bias, double eps, bool wants_var,
                           const char* op) {
  check_groups(input, groups, op);
  const Dims channels{input.size(1)};
  check_parameter(weight, channels, input, op, "weight");
  check_parameter(bias, channels, input, op, "bias");
  const Array x = in_order(input, channels_are_rows(input));
  const Dims each{x.size(0), groups};
  GroupNormResult r{Array::empty_like(x, x.dtype()), Array::empty(each, x.dtype(), x.device()),
                    Array::empty(each, x.dtype(), x.device()), std::nullopt};
  if (wants_var) r.var = Array::empty(each, x.dtype(), x.device());
  if (x.numel() == 0) {
    for (const Array* a : {&r.mean, &r.inv_std, wants_var ? &*r.var : &r.mean})
      fill(*a, Scalar::of(0.0));
    return r;
  }
  const auto w = packed(weight), b = packed(bias);
  kernels::on<kernels::GroupNorm>(x.device())
      .forward({shape_of(x, groups), x.dtype(), eps, x.raw(), raw_or_null(w), raw_or_null(b),
                r.y.raw(), r.mean.raw(), r.inv_std.raw(), raw_or_null(r.var)});
  return r;
}

GroupNormGradients group_norm_backward(const Array& input, const Array& grad, int64_t groups,
                                       const std::optional<Array>& weight, const Array& mean,
                                       const Array& inv_std, bool needs_dx, bool needs_parameters) {
  const char* op = "group_norm";
  check_groups(input, groups, op);
  check_gradient(grad, input, op);
  const Dims channels{input.size(1)}, each{input.size(0), groups};
  check_parameter(weight, channels, input, op, "weight");
  check_parameter(mean, each, input, op, "mean");
  check_parameter(inv_std, each, input, op, "inv_std");
  const bool rows = channels_are_rows(input);
  const Array x = in_order(input, rows), dy = in_order(grad, rows), m = contiguous(mean),
              s = contiguous(inv_std);
  const auto w = packed(weight);
  GroupNormGradients g;
  if (needs_dx) g.dx = Array::empty_like(x, x.dtype());
  if (needs_parameters) {
    g.dweight = Array::empty(channels, x.dtype(), x.device());
    g.dbias = Array::empty(channels, x.dtype(), x.device());
  }
  if (x.numel() == 0) {
    for (const auto* a : {&g.dweight, &g.dbias})
      if (*a) fill(**a, Scalar::of(0.0));
    return g;
  }
  kernels::on<kernels::GroupNorm>(x.device())
      .backward({shape_of(x, groups), x.dtype(), x.raw(), dy.raw(), raw_or_null(w), m.raw(),
                 s.raw(), raw_or_null(g.dx), raw_or_null(g.dweight), raw_or_null(g.dbias)});
  return g;
}

}  // namespace lamina::ops

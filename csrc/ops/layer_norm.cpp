#include "ops/layer_norm.h"

#include "kernels/layer_norm.h"
#include "kernels/registry.h"
#include "ops/channel_layout.h"

namespace lamina::ops {
namespace {

using kernels::LayerNormShape;

Dims leading(const Array& x, const Dims& normalized) {
  Dims shape;
  for (int d = 0; d < x.rank() - normalized.size(); ++d) shape.push_back(x.size(d));
  return shape;
}

LayerNormShape shape_of(const Array& x, const Dims& normalized) {
  int64_t n = 1;
  for (int64_t size : normalized) n *= size;
  return {n ? x.numel() / n : 0, n};
}

void check_normalized(const Array& x, const Dims& normalized, const char* op) {
  bool fits = !normalized.empty() && normalized.size() <= x.rank();
  for (int i = 0; fits && i < normalized.size(); ++i)
    fits = x.size(x.rank() - normalized.size() + i) == normalized[i];
  check(fits, "[", op, "] expected an input whose last dimensions are ", normalized, ", got shape ",
        x.shape());
}

}  // namespace

LayerNormResult layer_norm(const Array& input, const Dims& normalized,
                           const std::optional<Array>& weight, const std::optional<Array>& bias,
                           double eps, bool centred) {
  const char* op = centred ? "layer_norm" : "rms_norm";
  check_real(input, op);
  check_normalized(input, normalized, op);
  check_parameter(weight, normalized, input, op, "weight");
  check_parameter(bias, normalized, input, op, "bias");
  const Array x = contiguous(input);
  const Dims rows = leading(x, normalized);
  LayerNormResult r{Array::empty_like(x, x.dtype()), std::nullopt,
                    Array::empty(rows, x.dtype(), x.device())};
  if (centred) r.mean = Array::empty(rows, x.dtype(), x.device());
  if (x.numel() == 0) {
    fill(r.inv_std, Scalar::of(0.0));
    if (r.mean) fill(*r.mean, Scalar::of(0.0));
    return r;
  }
  const auto w = packed(weight), b = packed(bias);
  kernels::on<kernels::LayerNorm>(x.device())
      .forward({shape_of(x, normalized), x.dtype(), centred, eps, x.raw(), raw_or_null(w),
                raw_or_null(b), r.y.raw(), raw_or_null(r.mean), r.inv_std.raw()});
  return r;
}

LayerNormGradients layer_norm_backward(const Array& input, const Array& grad,
                                       const Dims& normalized, const std::optional<Array>& weight,
                                       const std::optional<Array>& mean, const Array& inv_std,
                                       bool needs_dx, bool needs_parameters) {
  const char* op = mean ? "layer_norm" : "rms_norm";
  check_real(input, op);
  check_normalized(input, normalized, op);
  check_gradient(grad, input, op);
  check_parameter(weight, normalized, input, op, "weight");
  const Dims rows = leading(input, normalized);
  check_parameter(mean, rows, input, op, "mean");
  check_parameter(inv_std, rows, input, op, "inv_std");
  const Array x = contiguous(input), dy = contiguous(grad), s = contiguous(inv_std);
  const auto w = packed(weight), m = packed(mean);
  LayerNormGradients g;
  if (needs_dx) g.dx = Array::empty_like(x, x.dtype());
  if (needs_parameters) {
    g.dweight = Array::empty(normalized, x.dtype(), x.device());
    g.dbias = Array::empty(normalized, x.dtype(), x.device());
  }
  if (x.numel() == 0) {
    for (const auto* a : {&g.dweight, &g.dbias})
      if (*a) fill(**a, Scalar::of(0.0));
    return g;
  }
  kernels::on<kernels::LayerNorm>(x.device())
      .backward({shape_of(x, normalized), x.dtype(), mean.has_value(), x.raw(), dy.raw(),
                 raw_or_null(w), raw_or_null(m), s.raw(), raw_or_null(g.dx), raw_or_null(g.dweight),
                 raw_or_null(g.dbias)});
  return g;
}

}  // namespace lamina::ops

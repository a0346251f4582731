#include "ops/distance.h"

#include "kernels/distance.h"
#include "kernels/registry.h"
#include "ops/copy.h"

namespace lamina::ops {
namespace {

using kernels::DistanceShape;

DistanceShape shape_of(const Array& x, const Array& y, double p) {
  check(x.rank() == 3 && y.rank() == 3 && x.size(0) == y.size(0),
        "[cdist] expected batches of matrices, got shapes ", x.shape(), " and ", y.shape());
  check(x.size(2) == y.size(2), "[cdist] expected rows of one length, got shapes ", x.shape(),
        " and ", y.shape());
  check<TypeError>(
      x.dtype() == y.dtype() && (x.dtype() == DType::float32 || x.dtype() == DType::float64),
      "[cdist] expected float32 or float64 twice, got ", name(x.dtype()), " and ", name(y.dtype()));
  check(p >= 0, "[cdist] expected p of at least 0, got ", p);
  return {x.dtype(), x.size(0), x.size(1), y.size(1), x.size(2), p};
}

}  // namespace

Array cdist(const Array& x, const Array& y, double p) {
  const DistanceShape s = shape_of(x, y, p);
  const Array from = contiguous(x), to = contiguous(y);
  Array out = Array::empty({s.batch, s.rows, s.columns}, s.dtype, x.device(), "cdist");
  if (out.numel() == 0) return out;
  if (s.features == 0)
    fill(out, Scalar::of(0.0));
  else
    kernels::on<kernels::Distance>(x.device()).forward(s, from.raw(), to.raw(), out.raw());
  return out;
}

std::pair<Array, Array> cdist_backward(const Array& grad, const Array& x, const Array& y,
                                       const Array& out, double p) {
  const DistanceShape s = shape_of(x, y, p);
  check(grad.shape() == out.shape() && out.shape() == Dims({s.batch, s.rows, s.columns}),
        "[cdist] expected a gradient of shape ", Dims({s.batch, s.rows, s.columns}), ", got ",
        grad.shape());
  check<TypeError>(grad.dtype() == s.dtype && out.dtype() == s.dtype,
                   "[cdist] expected a gradient of ", name(s.dtype), ", got ", name(grad.dtype()));
  const Array from = contiguous(x), to = contiguous(y), g = contiguous(grad), d = contiguous(out);
  Array dx = Array::empty(x.shape(), s.dtype, x.device(), "cdist");
  Array dy = Array::empty(y.shape(), s.dtype, y.device(), "cdist");
  const auto& kernel = kernels::on<kernels::Distance>(x.device());
  if (dx.numel() > 0)
    kernel.backward(s, {s.columns, 1}, from.raw(), to.raw(), d.raw(), g.raw(), dx.raw());
  const DistanceShape swapped{s.dtype, s.batch, s.columns, s.rows, s.features, s.p};
  if (dy.numel() > 0)
    kernel.backward(swapped, {1, s.columns}, to.raw(), from.raw(), d.raw(), g.raw(), dy.raw());
  return {dx, dy};
}

}  // namespace lamina::ops

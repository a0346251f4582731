#include "ops/distance.h"

#include "kernels/distance.h"
#include "kernels/registry.h"
#include "ops/copy.h"
#include "ops/one_device.h"
#include "ops/shape.h"

namespace lamina::ops {
namespace {

using kernels::DistanceShape;

DistanceShape shape_of(const Array& x, const Array& y, double p) {
  check_one_device("cdist", {&x, &y});
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

DistanceShape pairs_of(const Array& x, double p) {
  check(x.rank() == 2, "[pdist] expected a matrix, got shape ", x.shape());
  check<TypeError>(x.dtype() == DType::float32 || x.dtype() == DType::float64,
                   "[pdist] expected float32 or float64, got ", name(x.dtype()));
  check(p >= 0, "[pdist] expected p of at least 0, got ", p);
  return {x.dtype(), 1, x.size(0), x.size(0), x.size(1), p};
}

int64_t count(const DistanceShape& s) { return s.rows > 0 ? s.rows * (s.rows - 1) / 2 : 0; }

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

Array pdist(const Array& x, double p) {
  const DistanceShape s = pairs_of(x, p);
  const Array from = contiguous(x);
  Array out = Array::empty({count(s)}, s.dtype, x.device(), "pdist");
  if (out.numel() == 0) return out;
  if (s.features == 0)
    fill(out, Scalar::of(0.0));
  else
    kernels::on<kernels::Distance>(x.device()).pairs(s, from.raw(), out.raw());
  return out;
}

Array pdist_backward(const Array& grad, const Array& x, const Array& out, double p) {
  const DistanceShape s = pairs_of(x, p);
  check_one_device("pdist", {&grad, &x, &out});
  check(grad.shape() == Dims({count(s)}) && out.shape() == grad.shape(),
        "[pdist] expected a gradient of shape ", Dims({count(s)}), ", got ", grad.shape());
  check<TypeError>(grad.dtype() == s.dtype && out.dtype() == s.dtype,
                   "[pdist] expected a gradient of ", name(s.dtype), ", got ", name(grad.dtype()));
  const Array from = contiguous(x), g = contiguous(grad), d = contiguous(out);
  Array dx = Array::empty(x.shape(), s.dtype, x.device(), "pdist");
  if (dx.numel() > 0)
    kernels::on<kernels::Distance>(x.device())
        .pairs_backward(s, from.raw(), d.raw(), g.raw(), dx.raw());
  return dx;
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
  const auto backward = [&](const Array& a, const Array& b, const Array& grads,
                            const Array& distances, const Array& da) {
    if (da.numel() == 0) return;
    kernel.backward({s.dtype, s.batch, a.size(1), b.size(1), s.features, s.p}, a.raw(), b.raw(),
                    distances.raw(), grads.raw(), da.raw());
  };
  backward(from, to, g, d, dx);
  backward(to, from, contiguous(transpose(g, 1, 2)), contiguous(transpose(d, 1, 2)), dy);
  return {dx, dy};
}

}  // namespace lamina::ops

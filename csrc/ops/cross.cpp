#include "ops/cross.h"

#include "kernels/cross.h"
#include "kernels/registry.h"
#include "ops/copy.h"
#include "ops/loop.h"
#include "ops/promote.h"
#include "ops/shape.h"

namespace lamina::ops {
namespace {

DType compute_dtype(DType t) {
  if (!is_floating(t)) return DType::int64;
  return t == DType::float64 ? t : DType::float32;
}

Dims without(Dims dims, int dim) {
  dims.erase(dim);
  return dims;
}

}  // namespace

Array cross(const Array& a, const Array& b, int64_t dim) {
  check(a.device() == b.device(), "[cross] expected both on one device, got ", name(a.device()),
        " and ", name(b.device()));
  check(a.rank() == b.rank(), "[cross] expected as many dimensions of both, got shapes ", a.shape(),
        " and ", b.shape());
  const DType result = promote(a.dtype(), b.dtype()), compute = compute_dtype(result);
  check<TypeError>(result != DType::boolean, "[cross] expected numbers, got bool");
  const int d = wrap_dim(dim, a.rank(), "cross");
  check(a.size(d) == 3 && b.size(d) == 3, "[cross] expected 3 components in dimension ", d,
        ", got shapes ", a.shape(), " and ", b.shape());
  const Dims shape = broadcast_shapes(a.shape(), b.shape(), "cross");
  const Array left = cast(a, compute), right = cast(b, compute);
  const Array out =
      Array::empty_like(left.shape() == shape ? left : right, shape, compute, "cross");
  if (out.numel() == 0) return cast(out, result);
  kernels::CrossProduct p;
  const Dims strides[] = {out.strides(), broadcast_strides(left, shape),
                          broadcast_strides(right, shape)};
  for (int k = 0; k < 3; ++k) p.component[k] = strides[k][d];
  p.vectors = make_loop<3>(without(shape, d), {{{out.raw(), without(strides[0], d)},
                                                {left.raw(), without(strides[1], d)},
                                                {right.raw(), without(strides[2], d)}}});
  p.dtype = compute;
  kernels::on<kernels::Cross>(out.device()).cross(p);
  return cast(out, result);
}

}  // namespace lamina::ops

#include "ops/scan.h"

#include "kernels/registry.h"
#include "ops/copy.h"
#include "ops/loop.h"
#include "ops/shape.h"

namespace lamina::ops {
namespace {

using kernels::ScanOp;

const char* op_name(ScanOp op) {
  constexpr const char* names[] = {"cumsum", "cumprod", "cummax", "cummin"};
  return names[static_cast<int>(op)];
}

DType carried(DType t) {
  if (is_floating(t)) return t == DType::float64 ? t : DType::float32;
  return DType::int64;
}

Dims without(Dims dims, int dim) {
  dims.erase(dim);
  return dims;
}

void run(ScanOp op, const Array& in, const Array& out, int dim, int64_t* indices) {
  if (out.numel() == 0) return;
  kernels::ScanLines s;
  s.n = in.size(dim);
  s.out_stride = out.strides()[dim];
  s.in_stride = in.strides()[dim];
  s.dtype = in.dtype();
  s.indices = indices;
  s.lines = make_loop<2>(without(out.shape(), dim), {{{out.raw(), without(out.strides(), dim)},
                                                      {in.raw(), without(in.strides(), dim)}}});
  kernels::on<kernels::Scan>(in.device()).scan(op, s);
}

Array at_least_1d(const Array& a) { return a.rank() ? a : a.view({1}, {1}, a.offset()); }

}  // namespace

Array scan(ScanOp op, const Array& a, int64_t dim, std::optional<DType> dtype) {
  const DType result = dtype.value_or(is_floating(a.dtype()) ? a.dtype() : DType::int64);
  const Array in = cast(cast(at_least_1d(a), result), carried(result));
  const Array out = Array::empty_like(in, in.dtype());
  run(op, in, out, wrap_dim(dim, in.rank(), op_name(op)), nullptr);
  return cast(a.rank() ? out : out.view({}, {}, 0), result);
}

std::pair<Array, Array> scan_with_indices(ScanOp op, const Array& a, int64_t dim) {
  const Array in = cast(at_least_1d(a), carried(a.dtype()));
  const Array out = Array::empty_like(in, in.dtype()),
              indices = Array::empty_like(out, DType::int64);
  run(op, in, out, wrap_dim(dim, in.rank(), op_name(op)), indices.data<int64_t>());
  const auto shaped = [&](const Array& x) { return a.rank() ? x : x.view({}, {}, 0); };
  return {cast(shaped(out), a.dtype()), shaped(indices)};
}

}  // namespace lamina::ops

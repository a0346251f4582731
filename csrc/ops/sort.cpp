#include "ops/sort.h"

#include "core/recording.h"
#include "kernels/registry.h"
#include "kernels/sort.h"
#include "ops/elementwise.h"
#include "ops/shape.h"

namespace lamina::ops {
namespace {

const kernels::Sort& kernel(const Array& a) { return kernels::on<kernels::Sort>(a.device()); }

}  // namespace

std::pair<Array, Array> sort(const Array& given, int64_t dim, int64_t requested, bool descending,
                             const char* op) {
  const int d = wrap_dim(dim, given.rank(), op);
  const Array a = given.rank() ? given : unsqueeze(given, 0);
  const int last = a.rank() - 1;
  const int64_t n = a.size(d), k = requested == -1 ? n : requested;
  check(k >= 0 && k <= n, "[", op, "] expected k from 0 to the ", n, " elements of dimension ", d,
        ", got ", k);
  const Array src = contiguous(transpose(a, d, last));
  Dims shape = src.shape();
  shape[last] = k;
  Array values = Array::empty(shape, a.dtype(), a.device(), op);
  Array positions = Array::empty(shape, DType::int64, a.device(), op);
  if (values.numel() > 0) {
    kernels::Sorted s{};
    s.dtype = a.dtype();
    s.descending = descending;
    s.rows = values.numel() / k;
    s.n = n;
    s.k = k;
    s.src = src.raw();
    s.values = values.raw();
    s.positions = positions.data<int64_t>();
    kernel(a).sort(s);
  }
  if (given.rank() == 0) return {reshape(values, {}), reshape(positions, {})};
  return {contiguous(transpose(values, d, last)), contiguous(transpose(positions, d, last))};
}

Array searchsorted(const Array& sorted, const Array& values, bool right, const char* op) {
  check(sorted.device() == values.device(), "[", op, "] expected both tensors on one device, got ",
        name(sorted.device()), " and ", name(values.device()));
  check<TypeError>(sorted.dtype() == values.dtype(), "[", op,
                   "] expected both tensors of one dtype, got ", name(sorted.dtype()), " and ",
                   name(values.dtype()));
  check(sorted.rank() >= 1, "[", op, "] expected sorted elements of at least 1 dimension");
  const bool shared = sorted.rank() == 1;
  bool match = shared || sorted.rank() == values.rank();
  for (int d = 0; match && !shared && d < sorted.rank() - 1; ++d)
    match = sorted.size(d) == values.size(d);
  check(match, "[", op, "] expected values whose shape agrees with ", sorted.shape(),
        " except in the last dimension, ", "got ", values.shape());
  const Array rows = contiguous(sorted), wanted = contiguous(values);
  Array out = Array::empty(values.shape(), DType::int64, values.device(), op);
  if (out.numel() == 0) return out;
  kernels::Search s{};
  s.dtype = sorted.dtype();
  s.right = right;
  s.n = sorted.shape().back();
  s.m = shared ? values.numel() : values.shape().back();
  s.rows = values.numel() / s.m;
  s.sorted = rows.raw();
  s.shared = shared;
  s.values = wanted.raw();
  s.out = out.data<int64_t>();
  kernel(sorted).search(s);
  return out;
}

std::pair<Array, int64_t> runs(const Array& given) {
  needs_values("unique", "how many elements differ");
  check(given.rank() == 1, "[unique] expected a vector, got shape ", given.shape());
  const Array a = contiguous(given);
  Array run = Array::empty(a.shape(), DType::int64, a.device(), "unique");
  const int64_t n = a.numel();
  return {run, n == 0 ? 0 : kernel(a).runs(a.dtype(), a.raw(), n, run.data<int64_t>())};
}

}  // namespace lamina::ops

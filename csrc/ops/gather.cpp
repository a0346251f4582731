#include "ops/gather.h"

#include <cstdlib>

#include "ops/lookup.h"
#include "ops/shape.h"

namespace lamina::ops {
namespace {

// 0-d arrays pass for 1-d ones.
Array at_least_1d(const Array& a) { return a.rank() ? a : unsqueeze(a, 0); }

Lookup along(const Array& a, int64_t dim, const Array& given, const char* op) {
  const int d = wrap_dim(dim, a.rank(), op);
  check(given.device() == a.device(), "[", op, "] expected an index on ", name(a.device()),
        ", got ", name(given.device()));
  const Array index = as_index(given, op);
  check(index.rank() == a.rank(), "[", op, "] expected an index of ", a.rank(),
        " dimensions, got shape ", index.shape());
  const bool empty = index.numel() == 0;
  for (int k = 0; k < a.rank(); ++k)
    check(empty || k == d || index.size(k) <= a.size(k), "[", op,
          "] expected an index within shape ", a.shape(), " except in dimension ", d,
          ", got shape ", index.shape());
  check_positions(index, a.size(d), d, false, op);
  Dims strides = a.strides();
  strides[d] = 0;
  return {index.shape(),
          strides,
          index.strides(),
          index,
          {op, 0, a.size(d), a.strides()[d]},
          std::abs(a.strides()[d]),
          1u << d};
}

}  // namespace

Array gather(const Array& given, int64_t dim, const Array& given_index) {
  const Array a = at_least_1d(given), index = at_least_1d(given_index);
  Array out = Array::empty(index.shape(), a.dtype(), a.device(), "gather");
  gather_into(out, a, along(a, dim, index, "gather"));
  return given_index.rank() ? out : reshape(out, {});
}

void scatter(const Array& given, int64_t dim, const Array& given_index, const Operand& source,
             kernels::Combine combine, const char* op) {
  const Array a = at_least_1d(given), index = at_least_1d(given_index);
  const Lookup lookup = along(a, dim, index, op);
  if (!source.array) return scatter_into(a, lookup, source, combine, op);
  Array values = at_least_1d(*source.array);
  check<TypeError>(values.dtype() == a.dtype(), "[", op, "] expected a source of ", name(a.dtype()),
                   ", got ", name(values.dtype()));
  check(values.rank() == index.rank(), "[", op, "] expected a source of ", index.rank(),
        " dimensions, got shape ", values.shape());
  for (int d = 0; d < index.rank(); ++d) {
    check(index.size(d) <= values.size(d), "[", op, "] expected a source of at least shape ",
          index.shape(), ", got ", values.shape());
    values = slice(values, d, 0, index.size(d), 1);
  }
  scatter_into(a, lookup, {&values}, combine, op);
}

}  // namespace lamina::ops

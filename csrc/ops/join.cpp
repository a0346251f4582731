#include "ops/join.h"

#include "ops/elementwise.h"
#include "ops/promote.h"
#include "ops/shape.h"

namespace lamina::ops {
namespace {

// Checks devices and gives the common dtype.
DType common_dtype(const Arrays& parts, const char* op) {
  check(!parts.empty(), "[", op, "] expected at least one tensor, got an empty list");
  DType dtype = parts[0]->dtype();
  for (const Array* part : parts) {
    check(part->device() == parts[0]->device(), "[", op,
          "] expected all tensors on one device, got ", name(parts[0]->device()), " and ",
          name(part->device()));
    dtype = promote(dtype, part->dtype());
  }
  return dtype;
}

bool joins_anything(const Array& part) { return part.rank() == 1 && part.size(0) == 0; }

}  // namespace

Array cat(const Arrays& parts, int64_t dim) {
  const DType dtype = common_dtype(parts, "cat");
  const Array* first = parts[0];
  for (const Array* part : parts)
    if (joins_anything(*first)) first = part;
  check(first->rank() > 0, "[cat] expected at least 1 dimension, got a 0-d tensor; use stack");
  const int d = wrap_dim(dim, first->rank(), "cat");

  Dims shape = first->shape();
  shape[d] = 0;
  bool channels_last = first->rank() >= 3;
  for (const Array* part : parts) {
    if (joins_anything(*part)) continue;
    Dims expected = first->shape();
    check(part->rank() == first->rank(), "[cat] expected tensors of ", first->rank(),
          " dimensions, got shapes ", first->shape(), " and ", part->shape());
    expected[d] = part->size(d);
    check(part->shape() == expected, "[cat] expected equal sizes except in dimension ", d,
          ", got shapes ", first->shape(), " and ", part->shape());
    check(!__builtin_add_overflow(shape[d], part->size(d), &shape[d]), "[cat] dimension ", d,
          " overflows");
    channels_last &= part->is_channels_last() && !part->is_contiguous();
  }

  Array out = channels_last ? Array::empty_channels_last(shape, dtype, first->device(), "cat")
                            : Array::empty(shape, dtype, first->device(), "cat");
  int64_t start = 0;
  for (const Array* part : parts) {
    if (joins_anything(*part)) continue;
    const int64_t stop = start + part->size(d);
    copy_to(slice(out, d, start, stop, 1), *part);
    start = stop;
  }
  return out;
}

Array stack(const Arrays& parts, int64_t dim) {
  const DType dtype = common_dtype(parts, "stack");
  Dims shape = parts[0]->shape();
  for (const Array* part : parts)
    check(part->shape() == shape, "[stack] expected equal shapes, got ", shape, " and ",
          part->shape());
  const int d = wrap_dim(dim, shape.size() + 1, "stack");
  shape.insert(d, static_cast<int64_t>(parts.size()));
  Array out = Array::empty(shape, dtype, parts[0]->device(), "stack");
  for (size_t i = 0; i < parts.size(); ++i)
    copy_to(select(out, d, static_cast<int64_t>(i)), *parts[i]);
  return out;
}

std::vector<Array> split(const Array& a, const std::vector<int64_t>& sizes, int64_t dim) {
  check(a.rank() > 0, "[split] expected at least 1 dimension, got a 0-d tensor");
  const int d = wrap_dim(dim, a.rank(), "split");
  std::vector<Array> parts;
  int64_t start = 0;
  for (int64_t size : sizes) {
    check(size >= 0 && size <= a.size(d) - start,
          "[split] expected sizes that add up to dimension ", d, " of shape ", a.shape(), ", got ",
          size, " after ", start);
    parts.push_back(slice(a, d, start, start + size, 1));
    start += size;
  }
  check(start == a.size(d), "[split] expected sizes that add up to dimension ", d, " of shape ",
        a.shape(), ", got ", start);
  return parts;
}

std::vector<Array> unbind(const Array& a, int64_t dim) {
  check<IndexError>(a.rank() > 0, "[unbind] expected at least 1 dimension, got a 0-d tensor");
  const int d = wrap_dim(dim, a.rank(), "unbind");
  std::vector<Array> parts;
  parts.reserve(static_cast<size_t>(a.size(d)));
  for (int64_t i = 0; i < a.size(d); ++i) parts.push_back(select(a, d, i));
  return parts;
}

}  // namespace lamina::ops

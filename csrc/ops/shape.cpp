#include "ops/shape.h"

#include "ops/elementwise.h"

namespace lamina::ops {
namespace {

// `shape` with its -1 filled in; throws where the number of elements differs.
Dims resolve(const Array& a, Dims shape, const char* op) {
  int unknown = -1;
  int64_t known = 1;
  bool overflow = false, zero = false;
  for (int d = 0; d < shape.size(); ++d) {
    if (shape[d] == -1) {
      check(unknown < 0, "[", op, "] expected at most one -1, got ", shape);
      unknown = d;
    } else {
      check(shape[d] >= 0, "[", op, "] expected sizes of at least 0, or one -1, got ", shape);
      zero |= shape[d] == 0;
      overflow |= shape[d] != 0 && __builtin_mul_overflow(known, shape[d], &known);
    }
  }
  check(!overflow, "[", op, "] shape ", shape, " has more elements than 64 bits count");
  if (zero) known = 0;
  const int64_t n = a.numel();
  if (unknown >= 0 && known > 0 && n % known == 0) {
    shape[unknown] = n / known;
    known = n;
  }
  check(known == n && (unknown < 0 || shape[unknown] >= 0), "[", op, "] shape ", shape,
        " does not hold the ", n, " elements of shape ", a.shape());
  return shape;
}

// Strides that show `a` in `shape` without a copy, if there are any.
std::optional<Dims> view_strides(const Array& a, const Dims& shape) {
  if (a.numel() == 0) return contiguous_strides(shape);
  const Array dense = squeeze(a, std::nullopt);
  Dims strides = Dims::filled(shape.size(), 1);
  int d = shape.size() - 1;
  for (int i = dense.rank() - 1; i >= 0;) {
    // A run of dimensions that lie together in memory holds whole dimensions of `shape`, or there
    // is no view.
    int64_t stride = dense.strides()[i], run = dense.size(i), filled = 1;
    for (--i; i >= 0 && dense.strides()[i] == stride * run; --i) run *= dense.size(i);
    for (; d >= 0 && filled < run; --d) {
      if (run % (filled *= shape[d]) != 0) return std::nullopt;
      strides[d] = stride;
      stride *= shape[d];
    }
    if (filled != run) return std::nullopt;
  }
  return strides;
}

}  // namespace

int wrap_dim(int64_t dim, int rank, const char* op) {
  const int64_t n = std::max(rank, 1);
  check<IndexError>(dim >= -n && dim < n, "[", op, "] expected a dimension from ", -n, " to ",
                    n - 1, ", got ", dim);
  return static_cast<int>(dim < 0 ? dim + n : dim);
}

Array reshape(const Array& a, const Dims& requested) {
  const Dims shape = resolve(a, requested, "reshape");
  if (auto strides = view_strides(a, shape)) return a.view(shape, *strides, a.offset());
  return contiguous(a).view(shape, contiguous_strides(shape), 0);
}

Array view(const Array& a, const Dims& requested) {
  const Dims shape = resolve(a, requested, "view");
  const auto strides = view_strides(a, shape);
  check<RuntimeError>(strides.has_value(), "[view] shape ", shape,
                      " needs a copy of an array of shape ", a.shape(), " and strides ",
                      a.strides(), "; use reshape");
  return a.view(shape, *strides, a.offset());
}

Array permute(const Array& a, const Dims& order) {
  check(order.size() == a.rank(), "[permute] expected ", a.rank(), " dimensions, got ", order);
  Dims shape, strides;
  unsigned seen = 0;
  for (int64_t o : order) {
    const int d = wrap_dim(o, a.rank(), "permute");
    check(!(seen >> d & 1u), "[permute] expected each dimension once, got ", order);
    seen |= 1u << d;
    shape.push_back(a.size(d));
    strides.push_back(a.strides()[d]);
  }
  return a.view(shape, strides, a.offset());
}

Array transpose(const Array& a, int64_t dim0, int64_t dim1) {
  const int x = wrap_dim(dim0, a.rank(), "transpose"), y = wrap_dim(dim1, a.rank(), "transpose");
  if (a.rank() == 0) return a;
  Dims shape = a.shape(), strides = a.strides();
  std::swap(shape[x], shape[y]);
  std::swap(strides[x], strides[y]);
  return a.view(shape, strides, a.offset());
}

Array expand(const Array& a, const Dims& requested) {
  const int lead = requested.size() - a.rank();
  check(lead >= 0, "[expand] expected at least ", a.rank(), " sizes, got ", requested);
  Dims shape = requested, strides = Dims::filled(requested.size(), 0);
  for (int d = 0; d < shape.size(); ++d) {
    if (d < lead) {
      check(shape[d] >= 0, "[expand] a new leading dimension needs a size, got ", requested);
      continue;
    }
    const int64_t size = a.size(d - lead);
    if (shape[d] == -1) shape[d] = size;
    check(shape[d] == size || size == 1, "[expand] shape ", a.shape(), " does not expand to ",
          requested);
    check(shape[d] >= 0, "[expand] expected sizes of at least 0, got ", requested);
    if (shape[d] == size) strides[d] = a.strides()[d - lead];
  }
  checked_numel(shape, a.dtype(), "expand");
  return a.view(shape, strides, a.offset());
}

Array squeeze(const Array& a, const std::optional<Dims>& dims) {
  unsigned drop = 0;
  if (dims) {
    for (int64_t d : *dims) drop |= 1u << wrap_dim(d, a.rank(), "squeeze");
  } else {
    drop = ~0u;
  }
  Dims shape, strides;
  for (int d = 0; d < a.rank(); ++d) {
    if (a.size(d) == 1 && drop >> d & 1u) continue;
    shape.push_back(a.size(d));
    strides.push_back(a.strides()[d]);
  }
  return a.view(shape, strides, a.offset());
}

Array unsqueeze(const Array& a, int64_t dim) {
  const int at = wrap_dim(dim, a.rank() + 1, "unsqueeze");
  Dims shape = a.shape(), strides = a.strides();
  strides.insert(at, at < a.rank() ? a.strides()[at] * a.size(at) : 1);
  shape.insert(at, 1);
  return a.view(shape, strides, a.offset());
}

Array select(const Array& a, int64_t dim, int64_t index) {
  check<IndexError>(a.rank() > 0, "[select] a 0-d array can't be indexed");
  const int d = wrap_dim(dim, a.rank(), "select");
  const int64_t n = a.size(d);
  check<IndexError>(index >= -n && index < n, "[select] index ", index,
                    " is out of range for dimension ", d, " of size ", n);
  Dims shape = a.shape(), strides = a.strides();
  shape.erase(d);
  strides.erase(d);
  return a.view(shape, strides, a.offset() + (index < 0 ? index + n : index) * a.strides()[d]);
}

Array slice(const Array& a, int64_t dim, int64_t start, int64_t stop, int64_t step) {
  check<IndexError>(a.rank() > 0, "[slice] a 0-d array can't be sliced");
  check(step >= 1, "[slice] expected a step of at least 1, got ", step);
  const int d = wrap_dim(dim, a.rank(), "slice");
  const int64_t n = a.size(d);
  const auto clip = [n](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + n : i, 0, n); };
  const int64_t begin = clip(start), end = std::max(begin, clip(stop));
  Dims shape = a.shape(), strides = a.strides();
  shape[d] = end > begin ? (end - begin - 1) / step + 1 : 0;
  if (shape[d] > 1) strides[d] *= step;  // else a huge step could overflow
  return a.view(shape, strides, a.offset() + (shape[d] ? begin : 0) * a.strides()[d]);
}

Array diagonal(const Array& a, int64_t offset, int64_t dim1, int64_t dim2) {
  check(a.rank() >= 2, "[diagonal] expected at least 2 dimensions, got shape ", a.shape());
  const int x = wrap_dim(dim1, a.rank(), "diagonal"), y = wrap_dim(dim2, a.rank(), "diagonal");
  check(x != y, "[diagonal] expected two different dimensions, got ", dim1, " and ", dim2);
  const int64_t row = std::max<int64_t>(-offset, 0), column = std::max<int64_t>(offset, 0);
  const int64_t n = std::max<int64_t>(std::min(a.size(x) - row, a.size(y) - column), 0);
  Dims shape = a.shape(), strides = a.strides();
  const int64_t stride = strides[x] + strides[y];
  const int64_t start = n ? row * strides[x] + column * strides[y] : 0;
  for (int d : {std::max(x, y), std::min(x, y)}) {
    shape.erase(d);
    strides.erase(d);
  }
  shape.push_back(n);
  strides.push_back(stride);
  return a.view(shape, strides, a.offset() + start);
}

Array as_strided(const Array& a, const Dims& shape, const Dims& strides, int64_t offset) {
  check(shape.size() == strides.size(), "[as_strided] expected as many strides as sizes, got ",
        strides, " for ", shape);
  const int64_t n = checked_numel(shape, a.dtype(), "as_strided");
  int64_t first = offset, last = offset;
  for (int d = 0; n && d < shape.size(); ++d) {
    int64_t reach;
    bool overflow = __builtin_mul_overflow(shape[d] - 1, strides[d], &reach);
    int64_t& end = reach < 0 ? first : last;
    overflow |= __builtin_add_overflow(end, reach, &end);
    check(!overflow, "[as_strided] strides ", strides, " overflow");
  }
  const int64_t limit = static_cast<int64_t>(a.storage()->bytes() / itemsize(a.dtype()));
  check(n == 0 || (first >= 0 && last < limit), "[as_strided] shape ", shape, " with strides ",
        strides, " and offset ", offset, " leaves the ", limit, " elements of the storage");
  return a.view(shape, strides, offset);
}

Array unfold(const Array& a, int64_t dim, int64_t size, int64_t step) {
  const int d = wrap_dim(dim, a.rank(), "unfold");
  const int64_t n = a.rank() ? a.size(d) : 1, stride = a.rank() ? a.strides()[d] : 1;
  check(size >= 0 && size <= n, "[unfold] expected a size from 0 to ", n, ", got ", size);
  check(step >= 1, "[unfold] expected a step of at least 1, got ", step);
  Dims shape = a.shape(), strides = a.strides();
  if (a.rank()) {
    shape[d] = (n - size) / step + 1;
    if (shape[d] > 1) strides[d] = stride * step;  // else a huge step could overflow
  }
  shape.push_back(size);
  strides.push_back(stride);
  return a.view(shape, strides, a.offset());
}

Array view_dtype(const Array& a, DType dtype) {
  check<TypeError>(dtype != DType::boolean || a.dtype() == DType::boolean,
                   "[view] bytes other than 0 and 1 are no bool; use x != 0");
  const auto from = static_cast<int64_t>(itemsize(a.dtype())),
             to = static_cast<int64_t>(itemsize(dtype));
  Dims shape = a.shape(), strides = a.strides();
  int64_t offset = a.offset();
  if (from != to) {
    check<RuntimeError>(
        a.rank() > 0 && (strides.back() == 1 || shape.back() == 1),
        "[view] a dtype of another size needs a last dimension without gaps, got strides ",
        strides);
    const int last = a.rank() - 1;
    const int64_t factor = std::max(from, to) / std::min(from, to);
    const auto rescale = [&](int64_t v) {
      check<RuntimeError>(from > to || v % factor == 0, "[view] shape ", a.shape(), ", strides ",
                          a.strides(), " and offset ", a.offset(), " of ", name(a.dtype()),
                          " do not divide into ", name(dtype));
      return from > to ? v * factor : v / factor;
    };
    for (int d = 0; d < last; ++d)
      if (shape[d] > 1) strides[d] = rescale(strides[d]);
    strides[last] = 1;
    shape[last] = rescale(shape[last]);
    offset = rescale(offset);
  }
  const Array result(a.storage(), dtype, shape, strides, offset);
  check<RuntimeError>(reinterpret_cast<uintptr_t>(result.raw()) % itemsize(dtype) == 0,
                      "[view] the memory is not aligned for ", name(dtype));
  return result;
}

}  // namespace lamina::ops

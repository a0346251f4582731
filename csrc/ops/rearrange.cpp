#include "ops/rearrange.h"

#include "kernels/rearrange.h"
#include "kernels/registry.h"
#include "ops/elementwise.h"
#include "ops/shape.h"

namespace lamina::ops {
namespace {

// The dimensions as a set of bits; throws where one comes twice.
unsigned dim_bits(const Dims& dims, int rank, const char* op) {
  unsigned bits = 0;
  for (int64_t dim : dims) {
    const int d = wrap_dim(dim, rank, op);
    check(!(bits >> d & 1u), "[", op, "] expected each dimension once, got ", dims);
    bits |= 1u << d;
  }
  return bits;
}

}  // namespace

Array new_zeros(const Array& like, const Dims& shape) {
  Array out = Array::empty_like(like, shape, like.dtype(), "zeros");
  fill(out, Scalar::of(int64_t{0}));
  return out;
}

Array flip(const Array& a, const Dims& dims) {
  const unsigned bits = dim_bits(dims, a.rank(), "flip");
  Array out = Array::empty_like(a, a.dtype());
  Dims strides = a.strides();
  int64_t offset = a.offset();
  for (int d = 0; d < a.rank(); ++d) {
    if (!(bits >> d & 1u) || a.size(d) == 0) continue;
    offset += (a.size(d) - 1) * strides[d];
    strides[d] = -strides[d];
  }
  copy_to(out, a.view(a.shape(), strides, offset));
  return out;
}

Array roll(const Array& a, const Dims& shifts, const Dims& dims) {
  check(shifts.size() == dims.size(), "[roll] expected as many shifts as dimensions, got ", shifts,
        " and ", dims);
  Dims total = Dims::filled(a.rank(), 0);  // shift of each dimension, in [0, n)
  for (int i = 0; i < dims.size(); ++i) {
    const int d = wrap_dim(dims[i], a.rank(), "roll");
    if (a.rank() == 0 || a.size(d) == 0) continue;
    const int64_t n = a.size(d), shift = shifts[i] % n;
    total[d] = (total[d] + shift + n) % n;
  }
  Array out = Array::empty_like(a, a.dtype());
  int cut[kMaxRank], count = 0;
  for (int d = 0; d < a.rank(); ++d)
    if (total[d] != 0) cut[count++] = d;
  // Each rolled dimension falls into two pieces: a block for every choice of pieces.
  for (unsigned block = 0; block < 1u << count; ++block) {
    Array to = out, from = a;
    for (int k = 0; k < count; ++k) {
      const int d = cut[k];
      const int64_t n = a.size(d), s = total[d];
      const bool wrapped = block >> k & 1u;  // the last s elements come first
      from = slice(from, d, wrapped ? n - s : 0, wrapped ? n : n - s, 1);
      to = slice(to, d, wrapped ? 0 : s, wrapped ? s : n, 1);
    }
    copy_to(to, from);
  }
  return out;
}

Array triangle(const Array& a, int64_t diagonal, bool upper) {
  check(a.rank() >= 2, "[", upper ? "triu" : "tril", "] expected at least 2 dimensions, got shape ",
        a.shape());
  const Array src = contiguous(a);
  Array out = Array::empty(a.shape(), a.dtype(), a.device(), "tril");
  if (out.numel() == 0) return out;
  const int64_t rows = a.size(a.rank() - 2), columns = a.size(a.rank() - 1);
  kernels::Triangle t{};
  t.upper = upper;
  t.diagonal = std::clamp(diagonal, -rows, columns);  // beyond, nothing changes
  t.batch = out.numel() / (rows * columns);
  t.rows = rows;
  t.columns = columns;
  t.itemsize = static_cast<int>(itemsize(a.dtype()));
  t.out = out.raw();
  t.src = src.raw();
  kernels::on<kernels::Rearrange>(a.device()).triangle(t);
  return out;
}

Array fold(const Array& windows, const Dims& shape, int64_t dim, int64_t size, int64_t step) {
  Array out = new_zeros(windows, shape);
  const Array shown = unfold(out, dim, size, step);
  check(shown.shape() == windows.shape(), "[fold] expected windows of shape ", shown.shape(),
        ", got ", windows.shape());
  // Windows overlap; the elements at one place in all windows do not.
  for (int64_t i = 0; i < size; ++i) {
    const Array to = select(shown, -1, i), from = select(windows, -1, i);
    binary(kernels::Binary::add, {&to}, {&from}, {}, &to);
  }
  return out;
}

}  // namespace lamina::ops

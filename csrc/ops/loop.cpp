#include "ops/loop.h"

#include <cstdlib>

namespace lamina::ops {

Dims broadcast_shapes(const Dims& a, const Dims& b, const char* op) {
  const Dims& longer = a.size() >= b.size() ? a : b;
  const Dims& shorter = a.size() >= b.size() ? b : a;
  Dims shape = longer;
  const int lead = longer.size() - shorter.size();
  for (int d = 0; d < shorter.size(); ++d) {
    const int64_t x = longer[lead + d], y = shorter[d];
    check(x == y || x == 1 || y == 1, "[", op, "] expected shapes that broadcast, got ", a, " and ",
          b);
    shape[lead + d] = x == 1 ? y : x;
  }
  return shape;
}

Dims broadcast_strides(const Array& array, const Dims& shape) {
  Dims strides = Dims::filled(shape.size(), 0);
  const int lead = shape.size() - array.rank();
  for (int d = 0; d < array.rank(); ++d)
    strides[lead + d] = array.size(d) == 1 ? 0 : array.strides()[d];
  return strides;
}

void plan_loop(const Dims& shape, Operands* operands, int count, int* rank, int64_t* out_shape,
               int64_t (*out_strides)[kernels::kMaxLoopRank]) {
  // Dimensions of size above 1, from the outermost in the output's memory to the innermost.
  int order[kMaxRank], n = 0;
  for (int d = 0; d < shape.size(); ++d)
    if (shape[d] != 1) order[n++] = d;
  const auto stride = [&](int k, int d) { return operands[k].strides[d]; };
  for (int i = 1; i < n; ++i)  // insertion sort: stable, and ranks are small
    for (int j = i; j > 0 && std::abs(stride(0, order[j - 1])) < std::abs(stride(0, order[j])); --j)
      std::swap(order[j - 1], order[j]);

  int r = 0;
  for (int i = 0; i < n; ++i) {
    const int d = order[i];
    bool merges = r > 0;
    for (int k = 0; merges && k < count; ++k)
      merges = out_strides[k][r - 1] == stride(k, d) * shape[d];
    if (!merges) ++r;
    out_shape[r - 1] = merges ? out_shape[r - 1] * shape[d] : shape[d];
    for (int k = 0; k < count; ++k) out_strides[k][r - 1] = stride(k, d);
  }
  if (r == 0) {  // one element
    r = 1;
    out_shape[0] = 1;
    for (int k = 0; k < count; ++k) out_strides[k][0] = 1;
  }
  *rank = r;
}

}  // namespace lamina::ops

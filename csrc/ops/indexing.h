// NumPy's indexing: basic keys give views, integer arrays and masks give copies or places to write.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "core/array.h"
#include "kernels/indexing.h"
#include "ops/promote.h"

namespace lamina::ops {

// One item of a basic key; `start` is the position of an integer.
struct KeyItem {
  enum class Kind : uint8_t { integer, slice, new_axis, ellipsis } kind;
  int64_t start = 0, stop = 0, step = 1;
};
struct Key {
  static constexpr int kMost = 2 * kMaxRank + 1;
  KeyItem items[kMost];
  int size = 0;
};
Array basic_index(const Array& a, const Key& key);
// a[...] = value, which broadcasts (leading dimensions of size 1 may be too many) and may share a's
// memory.
void assign(const Array& a, const Operand& value);

// An index and the first dimension that it indexes: positions (int64, int32; negative ones count
// from the end), or a mask, which covers as many dimensions as it has.
struct Index {
  int dim;
  const Array* array;
};
using Indices = std::vector<Index>;

Array index(const Array& a, const Indices& indices);
// a[indices] (op)= values, which broadcast; in order of the index where places repeat.
void index_put(const Array& a, const Indices& indices, const Operand& values,
               kernels::Combine combine);

// A dimension and positions in it, as in index_select, index_add, index_copy and index_fill.
Array index_select(const Array& a, int64_t dim, const Array& index);
void index_write(const Array& a, int64_t dim, const Array& index, const Operand& source,
                 kernels::Combine combine, const char* op);

std::pair<int64_t, int64_t> extent(
    const Array& index);        // the least and the greatest of at least one integer
Array nonzero(const Array& a);  // (n, rank) coordinates
std::vector<Array> nonzero_tuple(const Array& a);  // one (n,) array a dimension
Array repeat_positions(const Array& counts);       // counts[0] zeros, counts[1] ones, ...

}  // namespace lamina::ops

// Sums, means and maxima of bags of a table's rows.
#pragma once

#include <utility>

#include "core/array.h"
#include "kernels/embedding_bag.h"

namespace lamina::ops {

// index: (entries), int64 or int32; offsets: (bags + 1), int64, from 0 to the number of entries;
// factors: (entries) or null; padding: a row or -1.
struct BagArguments {
  const Array& index;
  const Array& offsets;
  const Array* factors;
  kernels::BagMode mode;
  int64_t padding;
};

// The result and, for maxima, the rows that gave them (else an array of no elements).
std::pair<Array, Array> embedding_bag(const Array& table, const BagArguments& a);
Array embedding_bag_backward(const Array& grad, const Array& winners, int64_t rows,
                             const BagArguments& a);
Array embedding_bag_backward_factors(const Array& grad, const Array& table, const BagArguments& a);

}  // namespace lamina::ops

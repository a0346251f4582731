// Sorting along a dimension, binary search, runs of equal elements.
#pragma once

#include <utility>

#include "core/array.h"

namespace lamina::ops {

// Values and positions of the k first along `dim`, in stable order; k == -1: all.
std::pair<Array, Array> sort(const Array& a, int64_t dim, int64_t k, bool descending,
                             const char* op);
Array searchsorted(const Array& sorted, const Array& values, bool right, const char* op);
// For a vector: the number of its run of equal neighbours for each element, and how many runs there
// are.
std::pair<Array, int64_t> runs(const Array& a);

}  // namespace lamina::ops

// Order: sorting, the k first, binary search, runs of equal elements.  NaN is greater than every
// number, as in torch.
#pragma once

#include "core/dtype.h"

namespace lamina::kernels {

// The k first of each row in order, those of equal value in the order they had.
struct Sorted {
  DType dtype;
  bool descending;
  int64_t rows, n, k;  // 1 <= k <= n
  const void* src;     // (rows, n)
  void* values;        // (rows, k)
  int64_t* positions;  // (rows, k)
};

// Where values belong in sorted rows: before the elements that are equal, or after them (`right`).
struct Search {
  DType dtype;
  bool right;
  int64_t rows, n, m;
  const void* sorted;  // (rows, n), or one row of n for all where `shared`
  bool shared;
  const void* values;  // (rows, m)
  int64_t* out;        // (rows, m), each from 0 to n
};

struct Sort {
  void (*sort)(const Sorted& s);
  void (*search)(const Search& s);
  // run[i]: how many times neighbours differ up to element i of n >= 1.  Gives the number of runs.
  // NaNs differ.
  int64_t (*runs)(DType dtype, const void* values, int64_t n, int64_t* run);
};

}  // namespace lamina::kernels

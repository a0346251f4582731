// Sums, means and maxima of bags of a table's rows, without the rows in between.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lamina::kernels {

enum class BagMode { sum, mean, max };

// Bag b holds the entries [offsets[b], offsets[b + 1]); an entry is a row of the table.
struct Bags {
  DType dtype;  // of table, factors and results, float32 or float64
  BagMode mode;
  int64_t bags, entries, rows, features;
  const int64_t* index;    // (entries), in [0, rows)
  const int64_t* offsets;  // (bags + 1), rising from 0 to entries
  int64_t padding;         // a row that bags pass over; -1: none
  const void* factors;     // (entries) of the rows, for sums; may be null
};

struct EmbeddingBag {
  // table: (rows, features), out: (bags, features).  max: winners (bags, features) is the row that
  // gave each maximum, the first of equal ones, -1 for an empty bag; may be null.
  void (*forward)(const Bags& b, const void* table, void* out, int64_t* winners);
  // dtable: (rows, features), zeros on entry; entries of one row are added in their order.
  void (*backward)(const Bags& b, const void* grad, const int64_t* winners, void* dtable);
  // dfactors: (entries), grad of the bag times the row; 0 for padding.
  void (*backward_factors)(const Bags& b, const void* grad, const void* table, void* dfactors);
};

}  // namespace lamina::kernels

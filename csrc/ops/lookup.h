// What ops that find elements through integers share: checked positions and loops over them.
#pragma once

#include "core/array.h"
#include "kernels/indexing.h"
#include "ops/promote.h"

namespace lamina::ops {

// A loop in which an array is read or written at places that an index gives.
struct Lookup {
  Dims shape;          // of the loop
  Dims array_strides;  // of the indexed array; 0 along the index's dimensions
  Dims index_strides;
  Array index;                   // int64
  kernels::Positions positions;  // what it holds
  int64_t reach;                 // elements between neighbours in the innermost indexed dimension
  unsigned serial = 0;           // dimensions, as bits, along which two places may be the same
};

Array as_index(const Array& index, const char* op);  // int64 and int32 as int64; else throws
// Throws where a position leaves [low, size): low is 0, or -size where negative ones count from the
// end.  Gives the least position, 0 where there are none.  On CUDA that would wait for the device:
// kernels check instead, but where no position would do.
int64_t check_positions(const Array& index, int64_t size, int dim, bool negative, const char* op);

void gather_into(const Array& out, const Array& a, const Lookup& lookup);
// `values` in the lookup's shape, or broadcasting to it.
void scatter_into(const Array& a, const Lookup& lookup, const Operand& values,
                  kernels::Combine combine, const char* op);

}  // namespace lamina::ops

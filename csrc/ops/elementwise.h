// Elementwise arithmetic and the strided copy.
#pragma once

#include "core/array.h"
#include "kernels/elementwise.h"
#include "ops/promote.h"

namespace lamina::ops {

// a (op) b after broadcasting and type promotion.  With `out`, writes there instead (in place where it is also `a`).
Array binary(kernels::Binary op, const Operand& a, const Operand& b);
void binary_out(kernels::Binary op, const Operand& a, const Operand& b, const Array& out);

Array cast(const Array& a, DType dtype);  // `a` itself if it has the dtype
Array clone(const Array& a);              // fresh memory in the same memory order
Array contiguous(const Array& a);         // `a` itself if it is row-major
Array channels_last(const Array& a);      // `a` itself if it is channels-last
void copy_to(const Array& dst, const Array& src);  // dst[...] = src: broadcasts and casts
void fill(const Array& dst, const Scalar& value);

// For ops that write in place: throws if the memory is read-only or elements overlap; counts the write.
void begin_write(const Array& dst, const char* op);

}  // namespace lamina::ops

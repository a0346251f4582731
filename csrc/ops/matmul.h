// Matrix products with torch's rules.  Operands share a dtype: any but bool; 16-bit floats are
// computed in float32.
#pragma once

#include "core/array.h"

namespace lamina::ops {

// op(a) op(b), where op transposes the last two dimensions if its flag is set.  A 1-d operand is a
// row on the left, a column on the right, and its dimension is gone from the result; leading
// dimensions broadcast.
Array matmul(const Array& a, const Array& b, bool transpose_a, bool transpose_b);

Array mm(const Array& a, const Array& b);   // (m, k), (k, n)
Array bmm(const Array& a, const Array& b);  // (batch, m, k), (batch, k, n)
Array mv(const Array& a, const Array& x);   // (m, k), (k)
Array dot(const Array& x, const Array& y);  // (k), (k)

// input + a b; input broadcasts to the product.
Array addmm(const Array& input, const Array& a, const Array& b);
Array baddbmm(const Array& input, const Array& a, const Array& b);

// x (..., in) times the transpose of weight (out, in), plus bias (out) unless null.
Array linear(const Array& x, const Array& weight, const Array* bias);

// Runs multiply-adds on registers alone and returns their number of floating-point operations: for
// measuring the peak.
int64_t multiply_registers(DType dtype, int64_t rounds);

}  // namespace lamina::ops

// The row functions of elementwise ops, by op and the dtype that they compute in.
#pragma once

#include "cpu/map.h"
#include "kernels/elementwise.h"

namespace lamina::cpu::LAMINA_ISA {

RowOp<2> unary_op(kernels::Unary op, DType compute);
RowOp<3> binary_op(kernels::Binary op, DType compute);
RowOp<4> ternary_op(kernels::Ternary op, DType compute);

template <class T>
struct UnsignedOf {
  using Type = uint32_t;
};
template <>
struct UnsignedOf<int64_t> {
  using Type = uint64_t;
};
template <>
struct UnsignedOf<double> {
  using Type = uint64_t;
};
// Of the same size: bits, and arithmetic that wraps where that of signed integers is undefined.
template <class T>
using Unsigned = typename UnsignedOf<T>::Type;

}  // namespace lamina::cpu::LAMINA_ISA

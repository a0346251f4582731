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
template <class T>
using Unsigned =
    typename UnsignedOf<T>::Type;  // of int32 and int64: wraps where signed arithmetic is undefined

}  // namespace lamina::cpu::LAMINA_ISA

// The kernels of elementwise ops, by op and the dtype that they compute in.
#pragma once

#include <initializer_list>
#include <type_traits>

#include "cuda/map.h"
#include "kernels/elementwise.h"

namespace lamina::cuda {

// A kernel with the types that it takes; [0] is the output.
template <int N>
struct Map {
  MapKernel<N> kernel;
  DType types[N];
};

Map<2> unary_map(kernels::Unary op, DType compute);
Map<3> binary_map(kernels::Binary op, DType compute);
Map<4> ternary_map(kernels::Ternary op, DType compute);

// The kernel that make(constant of the op) gives, for `op` from `first` to `last`.
template <auto first, auto last, class Make>
auto pick(decltype(first) op, Make make) {
  using Op = decltype(first);
  constexpr int kFirst = static_cast<int>(first), kCount = static_cast<int>(last) - kFirst + 1;
  if (op < first || op > last)
    fail<NotImplementedError>("[elementwise.", static_cast<int>(op),
                              "] has no kernel on cuda yet; move the tensors with .cpu()");
  return [&]<int... i>(std::integer_sequence<int, i...>) {
    const auto kernels = {make(std::integral_constant<Op, static_cast<Op>(kFirst + i)>())...};
    return kernels.begin()[static_cast<int>(op) - kFirst];
  }(std::make_integer_sequence<int, kCount>());
}

}  // namespace lamina::cuda

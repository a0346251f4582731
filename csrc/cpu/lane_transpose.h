// Transposes a square of kLanes x kLanes elements in registers by log2(kLanes) perfect shuffles:
// interleaving rows i and i + n/2 into rows 2i and 2i + 1 rotates the bits of (row, column) by one.
#pragma once

#include <utility>

#include "cpu/vec.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// a0 b0 a1 b1 ... from the lower (From = 0) or upper (From = n/2) halves.
template <class T, int From, int... I>
LAMINA_INLINE Vec<T> interleave(Vec<T> a, Vec<T> b, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(a, b, (From + I / 2 + (I % 2) * kLanes<T>)...);
}

template <class T>
LAMINA_INLINE void transpose_lanes(Vec<T> (&rows)[kLanes<T>]) {
  constexpr int n = kLanes<T>;
  using Indices = std::make_integer_sequence<int, n>;
#pragma GCC unroll 4
  for (int stage = 1; stage < n; stage *= 2) {
    Vec<T> shuffled[n];
#pragma GCC unroll 16
    for (int i = 0; i < n / 2; ++i) {
      shuffled[2 * i] = interleave<T, 0>(rows[i], rows[i + n / 2], Indices{});
      shuffled[2 * i + 1] = interleave<T, n / 2>(rows[i], rows[i + n / 2], Indices{});
    }
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) rows[i] = shuffled[i];
  }
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

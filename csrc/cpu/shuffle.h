// Shuffles: even and odd elements of neighbours and back (what stride-2 windows need), reductions
// over lanes, masks.
#pragma once

#include "cpu/vec.h"

namespace lamina::cpu::LAMINA_ISA {

template <int... kIndex>
struct Lanewise {};
template <int kCount, int... kIndex>
struct CountLanes : CountLanes<kCount - 1, kCount - 1, kIndex...> {};
template <int... kIndex>
struct CountLanes<0, kIndex...> {
  using Type = Lanewise<kIndex...>;
};

template <class V, int... I>
LAMINA_INLINE V evens(V a, V b, Lanewise<I...>) {
  return __builtin_shufflevector(a, b, (2 * I)...);
}
template <class V, int... I>
LAMINA_INLINE V odds(V a, V b, Lanewise<I...>) {
  return __builtin_shufflevector(a, b, (2 * I + 1)...);
}
template <class V, int... I>
LAMINA_INLINE V zip(V a, V b, int half, Lanewise<I...>) {
  constexpr int kLane = sizeof...(I);
  if (half == 0) return __builtin_shufflevector(a, b, (I / 2 + I % 2 * kLane)...);
  return __builtin_shufflevector(a, b, (kLane / 2 + I / 2 + I % 2 * kLane)...);
}

template <int kBy, class V, int... I>
LAMINA_INLINE V rotate(V a, Lanewise<I...>) {
  return __builtin_shufflevector(a, a, ((I + kBy) % static_cast<int>(sizeof...(I)))...);
}

template <class T, int... I>
LAMINA_INLINE Vec<T> count_up(Lanewise<I...>) {
  return Vec<T>{static_cast<T>(I)...};
}

// A mask of the first n lanes.
template <class T>
LAMINA_INLINE auto first_lanes(int n) {
  return count_up<T>(typename CountLanes<kLanes<T>>::Type{}) < broadcast(static_cast<T>(n));
}

// op over all lanes, as a tree.
template <class T, int kBy = kLanes<T> / 2, class Op>
LAMINA_INLINE T reduce_lanes(Vec<T> v, const Op& op) {
  if constexpr (kBy == 0)
    return v[0];
  else
    return reduce_lanes<T, kBy / 2>(op(v, rotate<kBy>(v, typename CountLanes<kLanes<T>>::Type{})),
                                    op);
}
template <class T>
LAMINA_INLINE T sum_lanes(Vec<T> v) {
  return reduce_lanes<T>(v, [](Vec<T> a, Vec<T> b) { return a + b; });
}

// Elements 0, 2, 4, ... and 1, 3, 5, ... of a followed by b.
template <class T>
LAMINA_INLINE Vec<T> evens(Vec<T> a, Vec<T> b) {
  return evens(a, b, typename CountLanes<kLanes<T>>::Type{});
}
template <class T>
LAMINA_INLINE Vec<T> odds(Vec<T> a, Vec<T> b) {
  return odds(a, b, typename CountLanes<kLanes<T>>::Type{});
}

// a0 b0 a1 b1 ...: the first vector (half = 0) and the second one.
template <class T>
LAMINA_INLINE Vec<T> interleave(Vec<T> a, Vec<T> b, int half) {
  return zip(a, b, half, typename CountLanes<kLanes<T>>::Type{});
}

}  // namespace lamina::cpu::LAMINA_ISA

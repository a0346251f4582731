// Functions of two operands on Vec<T>, measured: at most 2 ulp off for hypot, for
// logaddexp 1.5 of 1 or of the result, if that is larger; remainders are exact.
//
// logaddexp    max + log1p(exp(-|a - b|)), a + ln 2 where the two are one, infinities among them.
// hypot        high sqrt(1 + (low / high)^2): no square overflows.
// fmod         |a| - q |b|, q the rounded quotient cut to an integer: exact by one FMA while q has no more bits than the
//              mantissa, and q is at most one too large.  Beyond, and without FMA, the C library's.
#pragma once

#include "cpu/scalar_math.h"
#include "cpu/vec_math.h"

namespace lamina::cpu::LAMINA_ISA::math {

template <class V>
LAMINA_INLINE V logaddexp(V a, V b) {
  const V y = maximum(a, b) + log1p(exp(-abs(a - b)));
  return a == b ? a + Element<V>(0.69314718055994531) : y;
}

template <class V>
LAMINA_INLINE V logaddexp2(V a, V b) {
  const V y = maximum(a, b) + log1p(exp2(-abs(a - b))) * Format<Element<V>>::kLog2e;
  return a == b ? a + 1 : y;
}

template <class V>
LAMINA_INLINE V hypot(V a, V b) {
  constexpr Element<V> inf = __builtin_inf();
  const V high = maximum(abs(a), abs(b)), low = minimum(abs(a), abs(b));
  const V share = low / (high == 0 ? V{} + 1 : high);
  const V y = high * square_root(1 + share * share);
  return (abs(a) == inf) | (abs(b) == inf) ? V{} + inf : y;
}

// a log(b), 0 where a is 0 and b a number.
template <class V>
LAMINA_INLINE V xlogy(V a, V b) {
  return (a == 0) & (b == b) ? V{} : a * log(b);
}

template <class M>
LAMINA_INLINE bool all(M mask) {
  bool y = true;
  for (size_t i = 0; i < sizeof(M) / sizeof(mask[0]); ++i) y &= mask[i] != 0;
  return y;
}

template <class V>
LAMINA_INLINE V fmod(V a, V b) {
  using E = Element<V>;
#if defined(__FMA__)
  constexpr E most = Format<E>::kMagic / 3;  // quotients up to here are cut exactly
  const V divisor = abs(b), quotient = abs(a) / divisor;
  if (all((quotient < most) & (divisor < E(__builtin_inf())))) {
    const V rest = abs(a) - trunc(quotient) * divisor;
    return copysign(rest < 0 ? rest + divisor : rest, a);
  }
#endif
  for (int i = 0; i < kLanes<E>; ++i) a[i] = scalar::fmod(a[i], b[i]);
  return a;
}

// Division that rounds towards minus infinity, as Python's: the remainder has the divisor's sign.
template <class V>
LAMINA_INLINE V remainder(V a, V b) {
  const V r = fmod(a, b);
  return (r != 0) & ((r < 0) != (b < 0)) ? r + b : r;
}

// As Python and torch, also where fmod or the quotient is not finite.
template <class V>
LAMINA_INLINE V floor_divide(V a, V b) {
  const V rest = fmod(a, b);
  const V ratio = (a - rest) / b;  // an integer but for rounding
  const V quotient = (rest != 0) & ((b < 0) != (rest < 0)) ? ratio - 1 : ratio;
  const V down = floor(quotient);
  const V nearest = quotient - down > Element<V>(0.5) ? down + 1 : down;
  const V y = quotient == 0 ? copysign(V{}, a / b) : nearest;
  return b == 0 ? a / b : y;
}

}  // namespace lamina::cpu::LAMINA_ISA::math

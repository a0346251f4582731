// exp on Vec<float> and Vec<double>: x = n ln 2 + r with |r| <= ln 2 / 2, then the Taylor series of
// exp(r), times 2^n. The series is cut where its rest is below a tenth of the last bit: degree 7
// for float, 13 for double.
#pragma once

#include <type_traits>

#include "cpu/vec.h"

namespace lamina::cpu::LAMINA_ISA {

template <class T>
struct ExpConstants;

template <>
struct ExpConstants<float> {
  using Int = int32_t;
  static constexpr int degree = 7, mantissa = 23, bias = 127;
  static constexpr float log2e = 1.44269504f, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
  static constexpr float shift = 0x1.8p23f;  // adding it leaves the nearest integer in the low bits
  static constexpr float lowest = -104.0f, highest = 89.0f;
};

template <>
struct ExpConstants<double> {
  using Int = int64_t;
  static constexpr int degree = 13, mantissa = 52, bias = 1023;
  static constexpr double log2e = 1.4426950408889634, ln2_high = 6.93145751953125e-1,
                          ln2_low = 1.42860682030941723212e-6;
  static constexpr double shift = 0x1.8p52;
  static constexpr double lowest = -746.0, highest = 710.0;
};

template <class V, class T = std::remove_cvref_t<decltype(V{}[0])>>
LAMINA_INLINE V exp(V x) {
  using C = ExpConstants<T>;
  using Ints = Vec<typename C::Int>;
  constexpr T inverse_factorial[14] = {T(1),
                                       T(1),
                                       T(1) / 2,
                                       T(1) / 6,
                                       T(1) / 24,
                                       T(1) / 120,
                                       T(1) / 720,
                                       T(1) / 5040,
                                       T(1) / 40320,
                                       T(1) / 362880,
                                       T(1) / 3628800,
                                       T(1) / 39916800,
                                       T(1) / 479001600,
                                       T(1) / 6227020800};
  V clipped = x < C::lowest ? broadcast(C::lowest) : x;  // a NaN stays
  clipped = clipped > C::highest ? broadcast(C::highest) : clipped;
  const V shifted = clipped * C::log2e + C::shift;
  const V n = shifted - C::shift;
  const V r = (clipped - n * C::ln2_high) - n * C::ln2_low;
  V sum = broadcast(inverse_factorial[C::degree]);
#pragma GCC unroll 16
  for (int k = C::degree - 1; k >= 0; --k) sum = sum * r + inverse_factorial[k];
  // 2^n in two factors, so that neither leaves the exponent's range.
  const Ints whole = __builtin_convertvector(n, Ints), half = whole >> 1;
  const auto power = [](Ints e) { return reinterpret_cast<V>((e + C::bias) << C::mantissa); };
  return sum * power(half) * power(whole - half);
}

}  // namespace lamina::cpu::LAMINA_ISA

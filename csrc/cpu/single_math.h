// pow, sin, cos and tan of floats, held in doubles: with 29 digits to spare, no product and no reduction takes a
// second part.  Within 0.51 ulp of a float.
//
// pow          2^(y log2 |x|), log2 by the series of vec_math.h, with the C standard's signs and special cases.
// sin, cos     Cody and Waite's reduction by pi/2, |x| <= kMaxAngle.
// Polynomials are minimax fits (Remez): log2 to 2^-37, 2^x to 2^-34, sin to 2^-37, cos to 2^-33.
#pragma once

#include "cpu/vec_math.h"

namespace lamina::cpu::LAMINA_ISA::math {

// 2^x, infinite or 0 as a float where it is none.
LAMINA_INLINE Vec<double> exp2_single(Vec<double> x) {
  using V = Vec<double>;
  using F = Format<double>;
  constexpr double kExp2[] = {0.999999999961681759,    0.693147180728444573,
                              0.240226511981578894,    0.0555041035345692350,
                              0.00961802725364381069,  0.00133339225562943514,
                              0.000154692911488946333, 0.0000152019232278869171};
  constexpr double kRange = 200;
  x = x < kRange ? x : V{} + kRange;
  x = x > -kRange ? x : V{} - kRange;
  const V shifted = x + F::kMagic;
  const V fraction = horner(x - (shifted - F::kMagic), kExp2);
  return from_bits<V>(bits(fraction) + (bits(shifted) << F::kMantissa));
}

// x^y of 0 < x < inf and a finite y.
LAMINA_INLINE Vec<double> pow_positive(Vec<double> x, Vec<double> y) {
  constexpr double kLog2[] = {2.88539008179008629, 0.961796673341681985, 0.577083584976404707,
                              0.411672718714430042, 0.340730107405532988};
  const LogFraction<Vec<double>> p = log_fraction(x);
  const Vec<double> s = p.f / (2 + p.f);
  return exp2_single(y * (p.k + s * horner(s * s, kLog2)));
}

LAMINA_INLINE Vec<double> pow_single(Vec<double> x, Vec<double> y) {
  using V = Vec<double>;
  constexpr double inf = __builtin_inf(), nan = __builtin_nan("");
  const V size = abs(x), n = round(y), half = 0.5 * n;
  V r = pow_positive(size, y);
  r = (size == 0) | (size == inf) ? ((size == 0) == (y < 0) ? V{} + inf : V{}) : r;
  r = (n == y) & (half != round(half)) ? copysign(r, x) : r;  // of an odd integer
  r = (x < 0) & (x > -inf) & (y != n) ? V{} + nan : r;
  r = (x != x) | (y != y) ? V{} + nan : r;
  const auto one = (x == 1) | (y == 0) | ((size == 1) & (abs(y) == inf));
  return one ? V{} + 1 : r;
}

// out[i] = x[i]^y[i]: without a look at special cases where a block has none.
LAMINA_INLINE void pow_row(float* out, const float* x, const float* y, int64_t n) {
  constexpr int64_t kBlock = 128, L = kLanes<double>;
  constexpr float inf = __builtin_inff();
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t m = n - begin < kBlock ? n - begin : kBlock;
    double base[kBlock], exponent[kBlock];
    int special = 0;
    for (int64_t i = 0; i < m; ++i) {
      const float a = x[begin + i], b = y[begin + i];
      special |= !(a > 0) | !(a < inf) | !(b < inf) | !(b > -inf);
      base[i] = a;
      exponent[i] = b;
    }
    for (int64_t i = m; i < m + L && i < kBlock; ++i) base[i] = exponent[i] = 1;
    if (special)
      for (int64_t i = 0; i < m; i += L)
        store(base + i, pow_single(load(base + i), load(exponent + i)));
    else
      for (int64_t i = 0; i < m; i += L)
        store(base + i, pow_positive(load(base + i), load(exponent + i)));
    for (int64_t i = 0; i < m; ++i) out[begin + i] = static_cast<float>(base[i]);
  }
}

LAMINA_INLINE Angle reduce_angle_single(Vec<double> x) {
  using V = Vec<double>;
  constexpr double kSin[] = {-0.166666666416069133, 0.00833332938357598873, -0.00019839334081516614,
                             2.71830421735328261e-6};
  constexpr double kCos[] = {0.0416666468546051497, -0.00138873669100677844,
                             0.0000244383794805210009};
  constexpr double kMagic = Format<double>::kMagic;
  const V shifted = x * 0.63661977236758134308 + kMagic, n = shifted - kMagic;
  const V r = ((x - n * kPio2[0]) - n * kPio2[1]) - n * kPio2[2], z = r * r;
  const V sine = r + r * z * horner(z, kSin);
  return {x == 0 ? x : sine, 1 - z * (0.5 - z * horner(z, kCos)), bits(shifted)};
}

}  // namespace lamina::cpu::LAMINA_ISA::math

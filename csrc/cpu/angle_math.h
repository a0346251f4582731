// tan, atan, asin, acos, the hyperbolic functions and their inverses on vectors, measured: at most
// 2.1 ulp off for tan, atan, atan2, asin, acos and cosh, 2.5 for sinh and atanh, 3 for asinh and acosh.
//
// tan          the sine over the cosine of one reduction (vec_math.h).
// atan, atan2  of t = y / x: of (t - 1) / (t + 1) beyond tan(pi/8) and of -1 / t beyond tan(3 pi/8), added to pi/4 and pi/2
//              in two parts, each quotient from y and x; r + r^3 P(r^2), |r| <= tan(pi/8), P a Chebyshev fit.
// asin, acos   r + r^3 P(r^2) to 1/2; beyond, by asin(t) = pi/2 - 2 asin(sqrt((1 - t) / 2)).
// sinh, cosh   from h = exp(t) / 2 as h -+ 1 / (4 h), h without overflow before they have one; sinh below 1 by its series.
// inverses     by log1p: asinh of t + t^2 / (1 + sqrt(t^2 + 1)), acosh of s + sqrt(s (s + 2)), s = t - 1, half of it of
//              2 t / (1 - t) for atanh.
#pragma once

#include "cpu/vec_math.h"

namespace lamina::cpu::LAMINA_ISA::math {

template <class T>
struct AngleFormat;

template <>
struct AngleFormat<float> {
  static constexpr float kAtan[] = {-3.333333e-01f, 1.999955e-01f, -1.4264227e-01f, 1.0746236e-01f,
                                    -6.459168e-02f};
  static constexpr float kAsin[] = {1.6666666e-01f, 7.500099e-02f,  4.459801e-02f,
                                    3.111643e-02f,  1.7076451e-02f, 3.3808254e-02f};
  static constexpr float kSinh[] = {1.6666667e-01f, 8.333339e-03f, 1.9838099e-04f, 2.8062955e-06f};
  static constexpr float kQuarter[] = {0x1.921fb6p-1f, -0x1.777a5cp-26f};  // pi / 4 in two parts
  static constexpr float kHalf[] = {0x1.921fb6p+0f, -0x1.777a5cp-25f};
  static constexpr float kSinhMax = 89.415985f;  // exp(t) / 2 is finite up to here
};

template <>
struct AngleFormat<double> {
  static constexpr double kAtan[] = {
      -3.3333333333333304e-01, 1.9999999999980286e-01, -1.428571428217373e-01,
      1.111111081619562e-01,   -9.090895333384315e-02, 7.691910908232419e-02,
      -6.659189162412482e-02,  5.7876111428376745e-02, -4.449737578915159e-02,
      9.138767835672833e-04,   1.2848867403784614e-01, -3.28639305205326e-01,
      3.210874493701175e-01};
  static constexpr double kAsin[] = {
      1.666666666666665e-01,  7.500000000008647e-02,   4.46428571302626e-02,
      3.0381945299862427e-02, 2.237212629092559e-02,   1.7353550831841744e-02,
      1.3952329604617227e-02, 1.1688624962966873e-02,  8.716203193121913e-03,
      1.3980969654176525e-02, -1.3294729057569843e-02, 5.6759532836635165e-02,
      -6.885417340507845e-02, 5.9015031285721636e-02};
  static constexpr double kSinh[] = {1.6666666666666657e-01, 8.333333333336973e-03,
                                     1.984126983734003e-04,  2.755732109518144e-06,
                                     2.5051650617494707e-08, 1.6118913298335002e-10,
                                     3.6560351055191724e-13, 1.0924938416577759e-13};
  static constexpr double kQuarter[] = {0x1.921fb54442d18p-1, 0x1.1a62633145c07p-55};
  static constexpr double kHalf[] = {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54};
  static constexpr double kSinhMax = 710.4758600739439;
};

// The angle of the point (x, y), x and y >= 0 and neither both 0 nor both infinite.
template <class V>
LAMINA_INLINE V quadrant_angle(V y, V x) {
  using E = Element<V>;
  using F = AngleFormat<E>;
  const auto middle = y > x * E(0.41421356237309505), far = y > x * E(2.4142135623730950);
  const V r = (far ? -x : middle ? y - x : y) / (far ? y : middle ? y + x : x);
  const V high = far ? V{} + F::kHalf[0] : middle ? V{} + F::kQuarter[0] : V{};
  const V low = far ? V{} + F::kHalf[1] : middle ? V{} + F::kQuarter[1] : V{};
  const V z = r * r;
  return high + (r + (low + r * z * horner(z, F::kAtan)));
}

template <class V>
LAMINA_INLINE V atan(V x) {
  return x == x ? copysign(quadrant_angle(abs(x), V{} + 1), x) : x;
}

template <class V>
LAMINA_INLINE V atan2(V y, V x) {
  using E = Element<V>;
  using F = AngleFormat<E>;
  constexpr E large = sizeof(E) == 4 ? E(0x1p126f) : E(0x1p1022);  // twice that overflows
  const V scale = (abs(y) > large) | (abs(x) > large) ? V{} + E(0.25) : V{} + 1;
  V height = abs(y) * scale, width = abs(x) * scale;
  const auto diagonal = height == width;  // both 0 or both infinite among them
  height = diagonal & (height != 0) ? V{} + 1 : height;
  width = diagonal ? V{} + 1 : width;
  const V angle = quadrant_angle(height, width);
  const auto left = copysign(V{} + 1, x) < 0;
  const V whole = left ? 2 * F::kHalf[0] - (angle - 2 * F::kHalf[1]) : angle;
  return (x == x) & (y == y) ? copysign(whole, y) : x + y;
}

// asin(t) for 0 <= t <= 1/2 as t + rest, elsewhere of the angle of which t is 1 minus twice the sine's
// square.
template <class V>
struct Arcsine {
  V t, r, rest;
  decltype(V{} < V{}) near;

  LAMINA_INLINE explicit Arcsine(V x) : t(abs(x)), near(t <= Element<V>(0.5)) {
    const V half = Element<V>(0.5) * (1 - t);
    const V z = near ? t * t : half;
    r = near ? t : square_root(half);  // NaN beyond 1
    rest = r * z * horner(z, AngleFormat<Element<V>>::kAsin);
  }
};

template <class V>
LAMINA_INLINE V asin(V x) {
  using F = AngleFormat<Element<V>>;
  const Arcsine<V> a(x);
  const V far = F::kHalf[0] - (2 * a.r + (2 * a.rest - F::kHalf[1]));
  const V y = a.near ? a.r + a.rest : far;
  return y == y ? copysign(y, x) : y;
}

template <class V>
LAMINA_INLINE V acos(V x) {
  using F = AngleFormat<Element<V>>;
  const Arcsine<V> a(x);
  const V twice = 2 * a.r + 2 * a.rest;  // the angle of |x| beyond 1/2
  const V signed_r = copysign(a.r, x), signed_rest = copysign(a.rest, x);
  const V near = F::kHalf[0] - (signed_r + (signed_rest - F::kHalf[1]));
  const V far = x > 0 ? twice : 2 * F::kHalf[0] - (twice - 2 * F::kHalf[1]);
  return a.near ? near : far;
}

// exp(t) / 2 for t >= 0.
template <class V>
LAMINA_INLINE V half_exp(V t) {
  using F = Format<Element<V>>;
  constexpr Element<V> most = AngleFormat<Element<V>>::kSinhMax;
  V shifted;
  const V p = expm1_reduced(t, shifted);
  // 2^(n-2), as n may be two more than the largest exponent.
  constexpr auto quarter = F::kOne - (typename F::Unsigned(2) << F::kMantissa);
  const V scale = from_bits<V>((bits(shifted) << F::kMantissa) + quarter);
  const V y = 2 * (scale * p + scale);
  return t <= most ? y : t + Element<V>(__builtin_inf());
}

template <class V>
LAMINA_INLINE V sinh(V x) {
  const V t = abs(x), z = t * t, h = half_exp(t);
  const V near = t + t * z * horner(z, AngleFormat<Element<V>>::kSinh);
  const V far = h - Element<V>(0.25) / h;
  return copysign(t < 1 ? near : far, x);
}

template <class V>
LAMINA_INLINE V cosh(V x) {
  const V h = half_exp(abs(x));
  return h + Element<V>(0.25) / h;
}

template <class V>
LAMINA_INLINE V asinh(V x) {
  using E = Element<V>;
  constexpr E large = 1 / Format<E>::kTiny;  // beyond, x^2 + 1 is x^2
  const V t = abs(x), square = t * t;
  const V near = log1p(t + square / (1 + square_root(square + 1)));
  return copysign(t < large ? near : log(t) + E(0.69314718055994531), x);
}

template <class V>
LAMINA_INLINE V acosh(V x) {
  using E = Element<V>;
  constexpr E large = 1 / Format<E>::kTiny;
  const V s = x - 1;
  const V y = x < large ? log1p(s + square_root(s * (s + 2))) : log(x) + E(0.69314718055994531);
  return x >= 1 ? y : V{} + E(__builtin_nan(""));
}

template <class V>
LAMINA_INLINE V atanh(V x) {
  const V t = abs(x);
  return copysign(Element<V>(0.5) * log1p(2 * t / (1 - t)), x);
}

}  // namespace lamina::cpu::LAMINA_ISA::math

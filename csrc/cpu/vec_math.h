// exp, log and their kin on Vec<float> and Vec<double>, measured: at most 1.1 ulp off for exp, exp2,
// log, erf, sin and cos, 2 for expm1, log1p, log2 and log10, 2.5 for tanh and sigmoid. Results below the
// smallest normal number are 0 and such arguments count as 0, as everywhere in the kernels.
//
// exp, expm1   x = n ln2 + r, |r| <= ln2 / 2 (Cody and Waite's two-part ln2); expm1(r) = r + r^2 q(r), q a minimax
//              polynomial (Remez, weighted for the relative error of exp): 2^-28 in float, 2^-57 in double.
// log...       x = 2^k m, m in [sqrt(1/2), sqrt(2)): fdlibm's s = f / (2 + f) series (e_log.c; e_logf.c for float).
// erf          x + x P(x^2) below 1, beyond 1 - exp(Q(x)), Q fitted to log erfc (both Remez).
// sin, cos     Cody and Waite's reduction by pi/2 to 118 bits, fdlibm's kernel polynomials; |x| <= kMaxAngle.
#pragma once

#include <type_traits>

#include "cpu/scalar_math.h"
#include "cpu/vec.h"

namespace lamina::cpu::LAMINA_ISA::math {

template <class T>
struct Format;

template <>
struct Format<float> {
  using Unsigned = uint32_t;
  static constexpr int kMantissa = 23;
  static constexpr uint32_t kOne = 0x3f800000u, kSqrtHalf = 0x3f3504f3u, kSign = 0x80000000u;
  static constexpr float kMagic =
      0x1.8p23f;  // adding it rounds to an integer and leaves that in the low bits
  static constexpr float kSmallest = 0x1p-126f;
  static constexpr float kTiny = 0x1p-25f;  // 1 + kTiny is 1
  static constexpr float kLog2e = 1.442695040888963f, kLn2High = 0.693359375f,
                         kLn2Low = -2.12194440e-4f;
  static constexpr float kLog10e = 0.434294482f, kLog10TwoHigh = 0x1.344p-2f,
                         kLog10TwoLow = 0x1.3509f8p-18f;  // log10(2) in two parts
  static constexpr float kExpMax = 88.722839f, kExpMin = -87.336544f, kExpm1Min = -17.5f;
  static constexpr float kExp[] = {0.49999994f, 0.166665092f, 0.0416685268f, 0.00837013405f,
                                   0.00138116768f};
  static constexpr float kLog[] = {0xaaaaaa.0p-24f, 0xccce13.0p-25f, 0x91e9ee.0p-25f,
                                   0xf89e26.0p-26f};
  static constexpr float kErfMax = 4.0f;
  static constexpr float kErf[] = {0.128379166f,   -0.37612626f,     0.112835854f,   -0.0268538129f,
                                   0.00518832821f, -0.000801019836f, 7.85387747e-05f};
  static constexpr float kLogErfc[] = {0.000188035861f, -1.12957835f,    -0.633219957f,
                                       -0.108418539f,   0.0252082329f,   -0.00420455355f,
                                       0.000441334763f, -2.16867193e-05f};
};

template <>
struct Format<double> {
  using Unsigned = uint64_t;
  static constexpr int kMantissa = 52;
  static constexpr uint64_t kOne = 0x3ff0000000000000u, kSqrtHalf = 0x3fe6a09e667f3bcdu;
  static constexpr uint64_t kSign = 0x8000000000000000u;
  static constexpr double kMagic = 0x1.8p52;
  static constexpr double kSmallest = 0x1p-1022;
  static constexpr double kTiny = 0x1p-54;
  static constexpr double kLog2e = 1.4426950408889634074, kLn2High = 6.93147180369123816490e-01,
                          kLn2Low = 1.90821492927058770002e-10;
  static constexpr double kLog10e = 0.43429448190325182765, kLog10TwoHigh = 0x1.34413509f6p-2,
                          kLog10TwoLow = 0x1.9fef311f12b36p-42;
  static constexpr double kExpMax = 709.782712893384, kExpMin = -708.3964185322641,
                          kExpm1Min = -38.0;
  static constexpr double kExp[] = {0.50000000000000133,    0.16666666666666358,
                                    0.041666666666507257,   0.0083333333335218959,
                                    0.0013888888950408049,  0.00019841269464612052,
                                    2.4801485455712032e-05, 2.7557608330431339e-06,
                                    2.7633155122958108e-07, 2.4997936114629038e-08};
  static constexpr double kLog[] = {6.666666666666735130e-01, 3.999999999940941908e-01,
                                    2.857142874366239149e-01, 2.222219843214978396e-01,
                                    1.818357216161805012e-01, 1.531383769920937332e-01,
                                    1.479819860511658591e-01};
  static constexpr double kErfMax = 6.0;
  static constexpr double kErf[] = {
      0.12837916709551259,     -0.37612638903183748,    0.11283791670954857,
      -0.026866170645072893,   0.0052239776247808636,   -0.00085483269787421515,
      0.00012055331036901129,  -1.4925593506987831e-05, 1.6460972819311816e-06,
      -1.6350025252514475e-07, 1.465788007095652e-08,   -1.1365666925766801e-09,
      5.9452634796136221e-11};
  static constexpr double kLogErfc[] = {
      -1.8229692408727216e-07, -1.1283773017515677,     -0.63662862062280745,
      -0.10274686207520779,    0.019077354360266755,    0.00028169895520998287,
      -0.0017703942053814603,  0.00064242310963734601,  -4.5708768511019528e-05,
      -6.9866682746195461e-05, 4.4812421202718459e-05,  -1.6433397338287289e-05,
      4.3042675768934653e-06,  -8.4555691175419292e-07, 1.2486258602122668e-07,
      -1.3522682514956328e-08, 1.0168017118816992e-09,  -4.748957616548173e-11,
      1.0380264725931988e-12};
};

template <class V>
using Element = std::remove_cvref_t<decltype(V{}[0])>;
template <class V>
using Bits = Vec<typename Format<Element<V>>::Unsigned>;

template <class V>
LAMINA_INLINE Bits<V> bits(V x) {
  return reinterpret_cast<Bits<V>>(x);
}

template <class V>
LAMINA_INLINE V from_bits(Bits<V> x) {
  return reinterpret_cast<V>(x);
}

template <class V>
LAMINA_INLINE V abs(V x) {
  return from_bits<V>(bits(x) & ~Format<Element<V>>::kSign);
}

template <class V>
LAMINA_INLINE V copysign(V magnitude, V sign) {
  constexpr auto mask = Format<Element<V>>::kSign;
  return from_bits<V>((bits(magnitude) & ~mask) | (bits(sign) & mask));
}

template <class V>
LAMINA_INLINE V square_root(V x) {
  for (int i = 0; i < kLanes<Element<V>>; ++i) x[i] = scalar::sqrt(x[i]);
  return x;
}

// c[first] + x (c[first + 1] + x (...))
template <size_t first = 0, class V, class T, size_t N>
LAMINA_INLINE V horner(V x, const T (&c)[N]) {
  if constexpr (first == N - 1)
    return V{} + c[first];
  else
    return horner<first + 1>(x, c) * x + c[first];
}

// x = n ln2 + r: gives expm1(r), and n + kMagic.
template <class V>
LAMINA_INLINE V expm1_reduced(V x, V& shifted) {
  using F = Format<Element<V>>;
  shifted = x * F::kLog2e + F::kMagic;
  const V n = shifted - F::kMagic;
  const V r = (x - n * F::kLn2High) - n * F::kLn2Low;
  return r + r * r * horner(r, F::kExp);
}

template <class V>
LAMINA_INLINE V exp(V x) {
  using F = Format<Element<V>>;
  V shifted;
  const V p = expm1_reduced(x, shifted) + 1;
  V y = from_bits<V>(bits(p) + (bits(shifted) << F::kMantissa));  // p 2^n
  y = x <= F::kExpMax ? y : x + Element<V>(__builtin_inf());      // overflow, and NaN stays NaN
  return x < F::kExpMin ? V{} : y;
}

// Of x <= 0.
template <class V>
LAMINA_INLINE V exp_negative(V x) {
  using F = Format<Element<V>>;
  V shifted;
  const V p = expm1_reduced(x, shifted) + 1;
  const V y = from_bits<V>(bits(p) + (bits(shifted) << F::kMantissa));
  return x < F::kExpMin ? V{} : y;
}

template <class V>
LAMINA_INLINE V expm1(V x) {
  using F = Format<Element<V>>;
  V shifted;
  const V p = expm1_reduced(x, shifted);
  // 2^(n-1), so that n may be one more than the largest exponent.
  constexpr auto half_one = F::kOne - (typename F::Unsigned(1) << F::kMantissa);
  const V half = from_bits<V>((bits(shifted) << F::kMantissa) + half_one);
  V y = 2 * (half * p + (half - Element<V>(0.5)));
  y = x <= F::kExpMax ? y : x + Element<V>(__builtin_inf());
  y = x < F::kExpm1Min ? V{} - 1 : y;
  return abs(x) < F::kTiny ? x : y;
}

template <class V>
LAMINA_INLINE V exp2(V x) {
  using F = Format<Element<V>>;
  const V shifted = x + F::kMagic;
  const V r = (x - (shifted - F::kMagic)) * Element<V>(0.693147180559945309);
  const V p = r + r * r * horner(r, F::kExp) + 1;
  constexpr Element<V> max = sizeof(Element<V>) == 4 ? 128 : 1024;
  V y = from_bits<V>(bits(p) + (bits(shifted) << F::kMantissa));
  y = x < max ? y : x + Element<V>(__builtin_inf());
  return x < 2 - max ? V{} : y;
}

template <class V>
LAMINA_INLINE V tanh(V x) {
  const V t = expm1(-2 * abs(x));
  return copysign(t / (2 + t), x);
}

template <class V>
LAMINA_INLINE V sigmoid(V x) {
  return 1 / (1 + exp(-x));
}

// x = 2^k (1 + f), 1 + f in [sqrt(1/2), sqrt(2)).
template <class V>
struct LogFraction {
  V k, f;
};

template <class V>
LAMINA_INLINE LogFraction<V> log_fraction(V x) {
  using F = Format<Element<V>>;
  const Bits<V> shifted = bits(x) + (F::kOne - F::kSqrtHalf);
  const Bits<V> exponent = shifted >> F::kMantissa;  // k + bias
  LogFraction<V> p;
  // An integer below 2^kMantissa in the low bits of 2^kMantissa is that integer added to it.
  constexpr Element<V> unit = F::kMagic / 3 * 2;
  const V offset = V{} + unit;
  p.k = from_bits<V>(exponent | bits(offset)) - (unit + Element<V>(F::kOne >> F::kMantissa));
  const Bits<V> bias = Bits<V>{} + (F::kOne >> F::kMantissa);
  p.f = from_bits<V>(bits(x) - ((exponent - bias) << F::kMantissa)) - 1;
  return p;
}

// log(1 + f) = f - (half - tail).
template <class V>
struct LogParts : LogFraction<V> {
  V half, tail;
};

template <class V>
LAMINA_INLINE LogParts<V> log_parts(V x) {
  using F = Format<Element<V>>;
  LogParts<V> p{log_fraction(x), {}, {}};
  const V s = p.f / (2 + p.f), z = s * s;
  p.half = Element<V>(0.5) * p.f * p.f;
  p.tail = s * (p.half + z * horner(z, F::kLog));
  return p;
}

// What a logarithm is outside the positive normal numbers.
template <class V>
LAMINA_INLINE V log_edges(V x, V y) {
  using F = Format<Element<V>>;
  const Element<V> inf = __builtin_inf();
  y = x < inf ? y : x;  // also NaN
  y = x < F::kSmallest ? V{} - inf : y;
  return x <= -F::kSmallest ? V{} + Element<V>(__builtin_nan("")) : y;
}

template <class V>
LAMINA_INLINE V log(V x) {
  using F = Format<Element<V>>;
  const LogParts<V> p = log_parts(x);
  return log_edges(x, p.k * F::kLn2High - ((p.half - (p.tail + p.k * F::kLn2Low)) - p.f));
}

template <class V>
LAMINA_INLINE V log2(V x) {
  const LogParts<V> p = log_parts(x);
  return log_edges(x, p.k + (p.f - (p.half - p.tail)) * Format<Element<V>>::kLog2e);
}

// log(u) of the rounded u = 1 + x, and what the rounding lost.
template <class V>
LAMINA_INLINE V log1p(V x) {
  const V u = 1 + x;
  const V lost = (x - (u - 1)) / u;
  V y = log(u);
  y = (u > 0) & (u < Element<V>(__builtin_inf())) ? y + lost : y;
  return x == 0 ? x : y;
}

template <class V>
LAMINA_INLINE V log10(V x) {
  using F = Format<Element<V>>;
  const LogParts<V> p = log_parts(x);
  const V mantissa = (p.f - (p.half - p.tail)) * F::kLog10e;
  return log_edges(x, p.k * F::kLog10TwoHigh + (p.k * F::kLog10TwoLow + mantissa));
}

template <class V>
LAMINA_INLINE V erf(V x) {
  using F = Format<Element<V>>;
  const V t = abs(x);
  const V inside = x + x * horner(x * x, F::kErf);
  const V outside =
      copysign(1 - exp(horner(t < F::kErfMax ? t : V{} + F::kErfMax, F::kLogErfc)), x);
  const V y = t < 1 ? inside : outside;
  return x == x ? y : x;
}

// Nearest integers, halves to even ones; -0 stays.
template <class V>
LAMINA_INLINE V round(V x) {
#if defined(__AVX2__)
  for (int i = 0; i < kLanes<Element<V>>; ++i) x[i] = scalar::rint(x[i]);  // one instruction
  return x;
#else
  constexpr Element<V> most = Format<Element<V>>::kMagic / 3 * 2;  // all beyond are integers
  const V t = abs(x), r = (t + most) - most;
  return copysign(t < most ? r : t, x);
#endif
}

template <class V>
LAMINA_INLINE V floor(V x) {
  const V r = round(x);
  return copysign(r > x ? r - 1 : r, x);
}

template <class V>
LAMINA_INLINE V ceil(V x) {
  return -floor(-x);
}

template <class V>
LAMINA_INLINE V trunc(V x) {
  return copysign(floor(abs(x)), x);
}

constexpr double kMaxAngle = 1.6e6;  // n below 2^20
constexpr double kPio2[] = {1.57079632673412561417e+00, 6.07710050630396597660e-11,
                            2.02226624879595063154e-21};

// x = n pi/2 + r, |x| <= kMaxAngle: sine and cosine of r, and n in the low bits of quadrant.
struct Angle {
  Vec<double> sine, cosine;
  Vec<uint64_t> quadrant;
};

LAMINA_INLINE Angle reduce_angle(Vec<double> x) {
  using V = Vec<double>;
  constexpr double kSin[] = {-1.66666666666666324348e-01, 8.33333333332248946124e-03,
                             -1.98412698298579493134e-04, 2.75573137070700676789e-06,
                             -2.50507602534068634195e-08, 1.58969099521155010221e-10};
  constexpr double kCos[] = {4.16666666666666019037e-02, -1.38888888888741095749e-03,
                             2.48015872894767294178e-05, -2.75573143513906633035e-07,
                             2.08757232129817482790e-09, -1.13596475577881948265e-11};
  constexpr double kMagic = Format<double>::kMagic;
  const V shifted = x * 0.63661977236758134308 + kMagic;
  const V n = shifted - kMagic;
  const V first = x - n * kPio2[0];  // n has 20 bits and the first two parts 33: exact products
  const V second = first - n * kPio2[1];
  const V rest = n * kPio2[2] - ((first - second) - n * kPio2[1]);
  const V high = second - rest, low = (second - high) - rest;

  const V z = high * high, cube = z * high;
  const V sine = high - ((z * (0.5 * low - cube * horner<1>(z, kSin)) - low) - cube * kSin[0]);
  const V half = 0.5 * z, w = 1 - half;
  const V cosine = w + (((1 - w) - half) + (z * (z * horner(z, kCos)) - high * low));

  return {x == 0 ? x : sine, cosine, bits(shifted)};  // sin(-0) = -0
}

// The sine of the angle and so many quarter turns.
LAMINA_INLINE Vec<double> sin(const Angle& a, int quarter_turns) {
  const Vec<uint64_t> quadrant = a.quadrant + static_cast<uint64_t>(quarter_turns);
  const Vec<double> y = (quadrant & 1) != 0 ? a.cosine : a.sine;
  return from_bits<Vec<double>>(bits(y) ^ ((quadrant & 2) << 62));
}

LAMINA_INLINE Vec<double> sin(Vec<double> x, int quarter_turns) {
  return sin(reduce_angle(x), quarter_turns);
}

LAMINA_INLINE Vec<double> tan(const Angle& a) {
  return (a.quadrant & 1) != 0 ? -a.cosine / a.sine : a.sine / a.cosine;
}

}  // namespace lamina::cpu::LAMINA_ISA::math

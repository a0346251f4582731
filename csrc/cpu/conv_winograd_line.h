// Transforms of Winograd's F(4, R) for lines of R = 3, 5 or 7 taps: four outputs from R + 3 products
// where the definition takes 4 R (Winograd 1980; Lavin & Gray, arXiv 1509.09308).
//
//   forward           y  = A' [ (G w) * (B' x) ]        x R + 3 pixels, y 4, * element by element
//   weight gradient   dw = G' [ sum over tiles of (A dy) * (B' x) ]
//
// on the points 0, +-p for some p, and infinity.  They come from interpolating the product of two
// polynomials: row i of B' holds the coefficients of N_i(x), the product of x - p_j over all other
// finite points, and row i of G the powers of p_i over N_i(p_i).  For a pair +-p the even powers are
// the same and the odd ones opposite, so that both take the work of one.  The values of p keep the
// relative error of float32 at 5e-7 (R = 3), 1e-6 (5) and 2 to 4.5e-6 (7) for 192 channels.
#pragma once

#include "cpu/conv_tile.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int kLineOut = 4;

template <int R>
struct LinePoints;
template <>
struct LinePoints<3> {
  static constexpr double at[] = {0.70710678118654752, 1.41421356237309505};
};
template <>
struct LinePoints<5> {
  static constexpr double at[] = {0.5, 1, 2};
};
template <>
struct LinePoints<7> {
  static constexpr double at[] = {0.4, 0.8, 1.2, 2};
};

// Points come in the order 0, p_0, -p_0, p_1, -p_1, ..., infinity.
template <int R>
struct LineTransform {
  using V = Vec<float>;
  static constexpr int kPoints = R + 3, kPairs = (R + 1) / 2;

  struct Table {
    float power[kPairs][R];  // p^t
    float even[kPairs + 1];  // of the product of x^2 - p^2 over all pairs, by rising powers of x^2
    float others[kPairs][kPairs];     // of the same product without one pair
    float scale[kPairs], scale_zero;  // 1 / N_i(p_i)
  };
  static constexpr Table table() {
    const auto& p = LinePoints<R>::at;
    Table t{};
    for (int without = -1; without < kPairs; ++without) {
      double product[kPairs + 1] = {1};
      int degree = 0;
      double at_point = 1;  // the product's value at the pair left out
      for (int q = 0; q < kPairs; ++q) {
        if (q == without) continue;
        for (int i = ++degree; i >= 0; --i)
          product[i] = (i > 0 ? product[i - 1] : 0) - p[q] * p[q] * product[i];
        if (without >= 0) at_point *= p[without] * p[without] - p[q] * p[q];
      }
      if (without < 0) {
        for (int i = 0; i <= kPairs; ++i) t.even[i] = static_cast<float>(product[i]);
        t.scale_zero = static_cast<float>(1 / product[0]);
        continue;
      }
      for (int i = 0; i < kPairs; ++i) t.others[without][i] = static_cast<float>(product[i]);
      t.scale[without] = static_cast<float>(1 / (2 * p[without] * p[without] * at_point));
      double power = 1;
      for (int i = 0; i < R; ++i, power *= p[without])
        t.power[without][i] = static_cast<float>(power);
    }
    return t;
  }
  static constexpr Table k = table();

  // B': N_p(x) = (x^2 + p x) times the product of the other pairs.
  LAMINA_INLINE static void input(const V (&d)[kPoints], V (&v)[kPoints]) {
    v[0] = v[kPoints - 1] = V{};
    LAMINA_UNROLL
    for (int i = 0; i <= kPairs; ++i) {
      v[0] += k.even[i] * d[2 * i];
      v[kPoints - 1] += k.even[i] * d[2 * i + 1];
    }
    LAMINA_UNROLL
    for (int q = 0; q < kPairs; ++q) {
      V even{}, odd{};
      LAMINA_UNROLL
      for (int i = 0; i < kPairs; ++i) {
        even += k.others[q][i] * d[2 * i + 2];
        odd += k.others[q][i] * d[2 * i + 1];
      }
      v[1 + 2 * q] = even + k.power[q][1] * odd;
      v[2 + 2 * q] = even - k.power[q][1] * odd;
    }
  }
  // G
  LAMINA_INLINE static void weight(const V (&w)[R], V (&u)[kPoints]) {
    u[0] = k.scale_zero * w[0];
    u[kPoints - 1] = w[R - 1];
    LAMINA_UNROLL
    for (int q = 0; q < kPairs; ++q) {
      V even = w[0], odd{};
      LAMINA_UNROLL
      for (int t = 1; t < R; ++t) (t % 2 ? odd : even) += k.power[q][t] * w[t];
      u[1 + 2 * q] = k.scale[q] * (even + odd);
      u[2 + 2 * q] = k.scale[q] * (even - odd);
    }
  }
  // A'
  LAMINA_INLINE static void output(const V (&m)[kPoints], V (&y)[kLineOut]) {
    y[0] = m[0];
    y[1] = y[2] = V{};
    y[3] = m[kPoints - 1];
    LAMINA_UNROLL
    for (int q = 0; q < kPairs; ++q) {
      const V even = m[1 + 2 * q] + m[2 + 2 * q], odd = m[1 + 2 * q] - m[2 + 2 * q];
      y[0] += even;
      y[1] += k.power[q][1] * odd;
      y[2] += k.power[q][2] * even;
      y[3] += k.power[q][1] * k.power[q][2] * odd;
    }
  }
  // A
  LAMINA_INLINE static void gradient(const V (&y)[kLineOut], V (&s)[kPoints]) {
    s[0] = y[0];
    s[kPoints - 1] = y[3];
    LAMINA_UNROLL
    for (int q = 0; q < kPairs; ++q) {
      const V even = y[0] + k.power[q][2] * y[2];
      const V odd = k.power[q][1] * (y[1] + k.power[q][2] * y[3]);
      s[1 + 2 * q] = even + odd;
      s[2 + 2 * q] = even - odd;
    }
  }
  // G'
  LAMINA_INLINE static void weight_gradient(const V (&u)[kPoints], V (&w)[R]) {
    w[0] = k.scale_zero * u[0];
    LAMINA_UNROLL
    for (int t = 1; t < R; ++t) w[t] = t == R - 1 ? u[kPoints - 1] : V{};
    LAMINA_UNROLL
    for (int q = 0; q < kPairs; ++q) {
      const V even = k.scale[q] * (u[1 + 2 * q] + u[2 + 2 * q]);
      const V odd = k.scale[q] * (u[1 + 2 * q] - u[2 + 2 * q]);
      LAMINA_UNROLL
      for (int t = 0; t < R; ++t) w[t] += k.power[q][t] * (t % 2 ? odd : even);
    }
  }
};

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

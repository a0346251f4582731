// Winograd's minimal filtering F(4x4, 3x3), F(3x3, 4x4) and F(2x2, 5x5) on one tile of 6x6 inputs
// (Lavin & Gray, arXiv 1509.09308): 36 products where the definition takes 144, 144 and 100, on the
// interpolation points 0, +-1/sqrt(2), +-sqrt(2), infinity, which keep the error of float32 at 1e-6
// (Barabasz et al., arXiv 1803.10986).  With x 6x6, w RxR, Y MxM, M + R = 7, * element by element:
//
//   forward           Y  = A' [ (G w G') * (B' x B) ] A
//   weight gradient   dw = G' [ sum over tiles of (A dY A') * (B' x B) ] G
//
// A evaluates a polynomial of M coefficients at the points, G one of R, scaled.  A transform handles
// as many channels at once as a vector holds.
#pragma once

#include "cpu/conv_tile.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int kWinogradIn = 6, kPositions = kWinogradIn * kWinogradIn;
inline constexpr float kA = 0.70710678118654752f, kB = 1.41421356237309505f;  // the points
inline constexpr float kScaleA = -2.0f / 3, kScaleB = 1.0f / 6;               // of G there
inline constexpr float kPowersA[] = {1, kA, 0.5f, 0.5f * kA, 0.25f};
inline constexpr float kPowersB[] = {1, kB, 2, 2 * kB, 4};

// Outputs of a tile in one dimension, by the taps of the kernel.
template <int Taps>
inline constexpr int kWinogradOut = kWinogradIn + 1 - Taps;

using Lanes = Vec<float>;

// The one-dimensional transforms: kIn values to kOut.
struct InputTransform {  // B' d
  static constexpr int kIn = 6, kOut = 6;
  LAMINA_INLINE static void apply(const Lanes (&d)[6], Lanes (&o)[6]) {
    o[0] = d[0] - 2.5f * d[2] + d[4];
    const Lanes e = d[4] - 2.0f * d[2], f = d[3] - 2.0f * d[1];
    o[1] = e + kA * f;
    o[2] = e - kA * f;
    const Lanes g = d[4] - 0.5f * d[2], h = d[3] - 0.5f * d[1];
    o[3] = g + kB * h;
    o[4] = g - kB * h;
    o[5] = d[1] - 2.5f * d[3] + d[5];
  }
};

// N coefficients to a polynomial's values at the points: A y, or G w where scaled.
template <int N, bool Scaled>
struct Evaluate {
  static constexpr int kIn = N, kOut = 6;
  LAMINA_INLINE static void apply(const Lanes (&y)[N], Lanes (&o)[6]) {
    constexpr float a = Scaled ? kScaleA : 1, b = Scaled ? kScaleB : 1;
    Lanes even_a = y[0], even_b = y[0], odd_a = y[1], odd_b = y[1];
    LAMINA_UNROLL
    for (int i = 2; i < N; ++i) {
      Lanes &at_a = i % 2 ? odd_a : even_a, &at_b = i % 2 ? odd_b : even_b;
      at_a += kPowersA[i / 2 * 2] * y[i];
      at_b += kPowersB[i / 2 * 2] * y[i];
    }
    even_a *= a, even_b *= b;
    o[0] = y[0];
    o[1] = even_a + a * kA * odd_a;
    o[2] = even_a - a * kA * odd_a;
    o[3] = even_b + b * kB * odd_b;
    o[4] = even_b - b * kB * odd_b;
    o[5] = y[N - 1];
  }
};

// The transposed: A' m, or G' u where scaled.
template <int N, bool Scaled>
struct EvaluateTransposed {
  static constexpr int kIn = 6, kOut = N;
  LAMINA_INLINE static void apply(const Lanes (&m)[6], Lanes (&o)[N]) {
    constexpr float a = Scaled ? kScaleA : 1, b = Scaled ? kScaleB : 1;
    const Lanes s1 = m[1] + m[2], d1 = m[1] - m[2], s2 = m[3] + m[4], d2 = m[3] - m[4];
    LAMINA_UNROLL
    for (int i = 0; i < N; ++i)
      o[i] = a * kPowersA[i] * (i % 2 ? d1 : s1) + b * kPowersB[i] * (i % 2 ? d2 : s2);
    o[0] += m[0];
    o[N - 1] += m[5];
  }
};

template <int Taps>
using OutputTransform = EvaluateTransposed<kWinogradOut<Taps>, false>;  // A' m
template <int Taps>
using GradientTransform = Evaluate<kWinogradOut<Taps>, false>;  // A y
template <int Taps>
using WeightTransform = Evaluate<Taps, true>;  // G w
template <int Taps>
using WeightGradientTransform = EvaluateTransposed<Taps, true>;  // G' u

// Columns, then rows: load_at(i, j) of kIn x kIn values -> store_at(i, j, value) of kOut x kOut.
template <class Transform, class Load, class Store>
LAMINA_INLINE void transform_tile(const Load& load_at, const Store& store_at) {
  constexpr int n = Transform::kIn, m = Transform::kOut;
  Lanes half[m][n];
  LAMINA_UNROLL
  for (int j = 0; j < n; ++j) {
    Lanes in[n], out[m];
    LAMINA_UNROLL
    for (int i = 0; i < n; ++i) in[i] = load_at(i, j);
    Transform::apply(in, out);
    LAMINA_UNROLL
    for (int i = 0; i < m; ++i) half[i][j] = out[i];
  }
  LAMINA_UNROLL
  for (int i = 0; i < m; ++i) {
    Lanes out[m];
    Transform::apply(half[i], out);
    LAMINA_UNROLL
    for (int j = 0; j < m; ++j) store_at(i, j, out[j]);
  }
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

// Winograd's minimal filtering F(4x4, 3x3) on one tile (Lavin & Gray, arXiv 1509.09308): 36
// products where the definition takes 144, on the interpolation points 0, +-1/sqrt(2), +-sqrt(2),
// infinity, which keep the error of float32 at 1e-6 (Barabasz et al., arXiv 1803.10986):
//
//   forward           Y  = A' [ (G w G') * (B' x B) ] A        x 6x6, w 3x3, Y 4x4, * element by element
//   weight gradient   dw = G' [ sum over tiles of (A dY A') * (B' x B) ] G
//
// A transform handles as many channels at once as a vector holds.
#pragma once

#include "cpu/conv_tile.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int kWinogradOut = 4, kWinogradIn = 6, kPositions = kWinogradIn * kWinogradIn;
inline constexpr int kWinogradTaps = 9;
inline constexpr float kA = 0.70710678118654752f, kB = 1.41421356237309505f;  // the points

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

struct OutputTransform {  // A' m
  static constexpr int kIn = 6, kOut = 4;
  LAMINA_INLINE static void apply(const Lanes (&m)[6], Lanes (&o)[4]) {
    const Lanes s1 = m[1] + m[2], d1 = m[1] - m[2], s2 = m[3] + m[4], d2 = m[3] - m[4];
    o[0] = m[0] + s1 + s2;
    o[1] = kA * d1 + kB * d2;
    o[2] = 0.5f * s1 + 2.0f * s2;
    o[3] = m[5] + 0.5f * kA * d1 + 2.0f * kB * d2;
  }
};

struct GradientTransform {  // A y
  static constexpr int kIn = 4, kOut = 6;
  LAMINA_INLINE static void apply(const Lanes (&y)[4], Lanes (&o)[6]) {
    const Lanes e = y[0] + 0.5f * y[2], f = y[1] + 0.5f * y[3];
    const Lanes g = y[0] + 2.0f * y[2], h = y[1] + 2.0f * y[3];
    o[0] = y[0];
    o[1] = e + kA * f;
    o[2] = e - kA * f;
    o[3] = g + kB * h;
    o[4] = g - kB * h;
    o[5] = y[3];
  }
};

struct WeightTransform {  // G w
  static constexpr int kIn = 3, kOut = 6;
  LAMINA_INLINE static void apply(const Lanes (&w)[3], Lanes (&o)[6]) {
    const Lanes e = (-2.0f / 3) * (w[0] + 0.5f * w[2]), f = (-2.0f / 3 * kA) * w[1];
    const Lanes g = (1.0f / 6) * (w[0] + 2.0f * w[2]), h = (kB / 6) * w[1];
    o[0] = w[0];
    o[1] = e + f;
    o[2] = e - f;
    o[3] = g + h;
    o[4] = g - h;
    o[5] = w[2];
  }
};

struct WeightGradientTransform {  // G' u
  static constexpr int kIn = 6, kOut = 3;
  LAMINA_INLINE static void apply(const Lanes (&u)[6], Lanes (&o)[3]) {
    const Lanes s1 = u[1] + u[2], d1 = u[1] - u[2], s2 = u[3] + u[4], d2 = u[3] - u[4];
    o[0] = u[0] - (2.0f / 3) * s1 + (1.0f / 6) * s2;
    o[1] = (-2.0f / 3 * kA) * d1 + (kB / 6) * d2;
    o[2] = u[5] - (1.0f / 3) * s1 + (1.0f / 3) * s2;
  }
};

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

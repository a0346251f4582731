// Transforms of Winograd's F(4, 2): four outputs of a 2-tap correlation from five products, on the
// points 0, 1, -1, 2 and infinity (Lavin & Gray 2015), nested for two dimensions: 25 products where
// the plain sum takes 64.
#pragma once

#include "cpu/vec.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int kPhaseTile = 4, kPhaseReads = 5, kPhaseProducts = 25;

using F = Vec<float>;

// B^T: five inputs to five points.
struct ToPoints {
  static constexpr int kIn = 5, kOut = 5;
  LAMINA_INLINE static void apply(const F (&d)[5], F (&v)[5]) {
    v[0] = 2.0f * (d[0] - d[2]) - d[1] + d[3];
    v[1] = d[3] - d[2] - 2.0f * d[1];
    v[2] = d[3] - 3.0f * d[2] + 2.0f * d[1];
    v[3] = d[3] - d[1];
    v[4] = 2.0f * (d[1] - d[3]) - d[2] + d[4];
  }
};

// A^T: five points to four outputs.
struct FromPoints {
  static constexpr int kIn = 5, kOut = 4;
  LAMINA_INLINE static void apply(const F (&m)[5], F (&y)[4]) {
    const F sum = m[1] + m[2], difference = m[1] - m[2];
    y[0] = m[0] + sum + m[3];
    y[1] = difference + 2.0f * m[3];
    y[2] = sum + 4.0f * m[3];
    y[3] = difference + 8.0f * m[3] + m[4];
  }
};

// A: its transpose, four output gradients to five points.
struct GradToPoints {
  static constexpr int kIn = 4, kOut = 5;
  LAMINA_INLINE static void apply(const F (&g)[4], F (&d)[5]) {
    const F even = g[0] + g[2], odd = g[1] + g[3];
    d[0] = g[0];
    d[1] = even + odd;
    d[2] = even - odd;
    d[3] = g[0] + 2.0f * g[1] + 4.0f * g[2] + 8.0f * g[3];
    d[4] = g[3];
  }
};

// G: two taps to five points.
struct TapsToPoints {
  static constexpr int kIn = 2, kOut = 5;
  LAMINA_INLINE static void apply(const F (&g)[2], F (&u)[5]) {
    u[0] = 0.5f * g[0];
    u[1] = -0.5f * (g[0] + g[1]);
    u[2] = (1.0f / 6) * (g[1] - g[0]);
    u[3] = (1.0f / 6) * g[0] + (1.0f / 3) * g[1];
    u[4] = g[1];
  }
};

// G^T: five points to the gradients of two taps.
struct PointsToTaps {
  static constexpr int kIn = 5, kOut = 2;
  LAMINA_INLINE static void apply(const F (&u)[5], F (&g)[2]) {
    g[0] = 0.5f * (u[0] - u[1]) + (1.0f / 6) * (u[3] - u[2]);
    g[1] = (1.0f / 6) * u[2] - 0.5f * u[1] + (1.0f / 3) * u[3] + u[4];
  }
};

// Both dimensions: load(row, column) gives the inputs, store(row, column, value) takes the outputs.
template <class Transform, class Load, class Store>
LAMINA_INLINE void transform_square(const Load& load, const Store& store) {
  constexpr int kIn = Transform::kIn, kOut = Transform::kOut;
  F half[kIn][kOut];  // rows as they were, columns transformed
#pragma GCC unroll 5
  for (int i = 0; i < kIn; ++i) {
    F row[kIn];
#pragma GCC unroll 5
    for (int j = 0; j < kIn; ++j) row[j] = load(i, j);
    Transform::apply(row, half[i]);
  }
#pragma GCC unroll 5
  for (int j = 0; j < kOut; ++j) {
    F column[kIn], out[kOut];
#pragma GCC unroll 5
    for (int i = 0; i < kIn; ++i) column[i] = half[i][j];
    Transform::apply(column, out);
#pragma GCC unroll 5
    for (int i = 0; i < kOut; ++i) store(i, j, out[i]);
  }
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

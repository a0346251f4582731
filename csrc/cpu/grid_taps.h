// Where a block of places of a grid takes its values: offsets into an image, weights and their
// derivatives by the grid's coordinates.
#pragma once

#include "cpu/scalar_math.h"
#include "cpu/vec.h"
#include "kernels/grid_sample.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::GridMode;
using kernels::GridPadding;
using kernels::GridShape;

#include "kernels/grid_axis.inc"

constexpr int kPlaces = 64;  // a block
constexpr int kAxisTaps = 4, kGridTaps = 16;

// Along one axis, for each place: positions (-1 outside), weights, derivatives of the weights.
template <class T>
struct AxisTaps {
  int32_t at[kAxisTaps][kPlaces];
  T weight[kAxisTaps][kPlaces], slope[kAxisTaps][kPlaces];
};

// Loops of one mode and padding each, so that the compiler makes vectors of them.
template <GridMode kMode, GridPadding kPadding, class T>
void axis_taps(const Axis<T>& axis, int n, AxisTaps<T>& taps) {
#pragma GCC ivdep
  for (int i = 0; i < n; ++i) {
    if constexpr (kMode == GridMode::bicubic) {
      const T raw = axis.raw(i), low = scalar::floor(raw);
      T weight[4], slope[4];
      cubic_weights(raw - low, weight, slope);
      for (int k = 0; k < 4; ++k) {
        const T at = axis.template pad<kPadding>({low + static_cast<T>(k - 1), 1}).x;
        taps.at[k][i] = index_of(at, axis.size);
        taps.weight[k][i] = weight[k];
        taps.slope[k][i] = slope[k] * axis.scale();
      }
    } else {
      const Coordinate<T> c = axis.template pad<kPadding>({axis.raw(i), axis.scale()});
      const bool nearest = kMode == GridMode::nearest;
      const T low = nearest ? scalar::rint(c.x) : scalar::floor(c.x);
      const T share = nearest ? T(0) : c.x - low;
      taps.at[0][i] = index_of(low, axis.size);
      taps.at[1][i] = index_of(low + 1, axis.size);
      taps.weight[0][i] = 1 - share;
      taps.weight[1][i] = share;
      taps.slope[0][i] = nearest ? T(0) : -c.slope;
      taps.slope[1][i] = c.slope;
    }
  }
}

template <GridMode kMode, class T>
void axis_taps(GridPadding padding, const Axis<T>& axis, int n, AxisTaps<T>& taps) {
  if (padding == GridPadding::zeros) return axis_taps<kMode, GridPadding::zeros>(axis, n, taps);
  if (padding == GridPadding::border) return axis_taps<kMode, GridPadding::border>(axis, n, taps);
  axis_taps<kMode, GridPadding::reflection>(axis, n, taps);
}

template <class T>
void axis_taps(const GridShape& s, const Axis<T>& axis, int n, AxisTaps<T>& taps) {
  if (s.mode == GridMode::bilinear) return axis_taps<GridMode::bilinear>(s.padding, axis, n, taps);
  if (s.mode == GridMode::nearest) return axis_taps<GridMode::nearest>(s.padding, axis, n, taps);
  axis_taps<GridMode::bicubic>(s.padding, axis, n, taps);
}

// All combinations of the axes' taps.
template <class T>
struct GridTaps {
  int count = 0;
  int32_t offset[kGridTaps][kPlaces];  // in elements of a plane; -1 outside
  T weight[kGridTaps][kPlaces];
  T slope[3][kGridTaps][kPlaces];  // by x, y, z
  AxisTaps<T> axes[3];

  // Places [first, first + n) of image `image`.
  LAMINA_INLINE void fill(const GridShape& s, const T* grid, int64_t image, int64_t first, int n,
                          bool slopes) {
    const T* from = grid + (image * s.places + first) * s.rank;
    for (int a = 0; a < s.rank; ++a)
      axis_taps(s, Axis<T>{from + a, s.rank, s.in[2 - a], s.align_corners}, n, axes[a]);
    const int each = s.mode == GridMode::nearest ? 1 : s.mode == GridMode::bilinear ? 2 : 4;
    count = 0;
    for (int z = 0; z < (s.rank == 3 ? each : 1); ++z)
      for (int y = 0; y < each; ++y)
        for (int x = 0; x < each; ++x) {
          if (s.rank == 3)
            slopes ? combine<true, true>(s, x, y, z, n) : combine<true, false>(s, x, y, z, n);
          else
            slopes ? combine<false, true>(s, x, y, z, n) : combine<false, false>(s, x, y, z, n);
          end_vector(count - 1, n, slopes ? s.rank : 0);
        }
  }

 private:
  // Places that make up the last vector lie outside.
  LAMINA_INLINE void end_vector(int k, int n, int slopes) {
    for (int i = n; i % kLanes<T> != 0; ++i) {
      offset[k][i] = -1;
      weight[k][i] = 0;
      for (int a = 0; a < slopes; ++a) slope[a][k][i] = 0;
    }
  }

  template <bool kDeep, bool kSlopes>
  LAMINA_INLINE void combine(const GridShape& s, int x, int y, int z, int n) {
    const int k = count++;
    const int32_t H = static_cast<int32_t>(s.in[1]), W = static_cast<int32_t>(s.in[2]);
#pragma GCC ivdep
    for (int i = 0; i < n; ++i) {
      const int32_t ix = axes[0].at[x][i], iy = axes[1].at[y][i];
      const int32_t iz = kDeep ? axes[2].at[z][i] : 0;
      const int32_t place = (iz * H + iy) * W + ix;
      offset[k][i] = (ix | iy | iz) >= 0 ? place : -1;
      const T wx = axes[0].weight[x][i], wy = axes[1].weight[y][i];
      const T wz = kDeep ? axes[2].weight[z][i] : T(1);
      weight[k][i] = wx * wy * wz;
      if constexpr (kSlopes) {
        slope[0][k][i] = axes[0].slope[x][i] * wy * wz;
        slope[1][k][i] = wx * axes[1].slope[y][i] * wz;
        if constexpr (kDeep) slope[2][k][i] = wx * wy * axes[2].slope[z][i];
      }
    }
  }
};

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

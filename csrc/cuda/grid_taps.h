// Where one place of a grid takes its values: along each axis positions, weights and the weights'
// derivatives by the grid's coordinate; their combinations are the taps.
#pragma once

#include "cuda/image.h"
#include "cuda/scalar_math.h"
#include "kernels/grid_sample.h"

namespace lamina::cuda {
namespace {

using kernels::GridMode;
using kernels::GridPadding;
using kernels::GridShape;

#include "kernels/grid_axis.inc"

template <class T>
__device__ __forceinline__ Coordinate<T> pad(const Axis<T>& axis, GridPadding padding,
                                             Coordinate<T> c) {
  if (padding == GridPadding::zeros) return axis.template pad<GridPadding::zeros>(c);
  if (padding == GridPadding::border) return axis.template pad<GridPadding::border>(c);
  return axis.template pad<GridPadding::reflection>(c);
}

template <GridMode mode, class T>
struct AxisTaps {
  static constexpr int kCount = mode == GridMode::nearest ? 1 : mode == GridMode::bilinear ? 2 : 4;
  int32_t at[kCount];  // -1 outside
  T weight[kCount], slope[kCount];

  AxisTaps() = default;
  __device__ AxisTaps(const Axis<T>& axis, GridPadding padding) {
    if constexpr (mode == GridMode::bicubic) {
      const T raw = axis.raw(0), low = scalar::floor(raw);
      cubic_weights(raw - low, weight, slope);
      for (int k = 0; k < kCount; ++k) {
        at[k] = index_of(pad(axis, padding, {low + static_cast<T>(k - 1), 1}).x, axis.size);
        slope[k] *= axis.scale();
      }
    } else {
      const Coordinate<T> c = pad(axis, padding, {axis.raw(0), axis.scale()});
      const T low = mode == GridMode::nearest ? scalar::rint(c.x) : scalar::floor(c.x);
      at[0] = index_of(low, axis.size);
      weight[0] = 1;
      slope[0] = 0;
      if constexpr (mode == GridMode::bilinear) {
        at[1] = index_of(low + 1, axis.size);
        weight[1] = c.x - low;
        weight[0] = 1 - weight[1];
        slope[0] = -c.slope;
        slope[1] = c.slope;
      }
    }
  }
};

template <GridMode mode, bool deep, class T>
struct GridTaps {
  static constexpr int kEach = AxisTaps<mode, T>::kCount;
  static constexpr int kCount = kEach * kEach * (deep ? kEach : 1);
  int64_t height, width;
  AxisTaps<mode, T> x, y, z;  // z: where deep

  // grid: the coordinates of the place.
  __device__ GridTaps(const GridShape& s, const T* grid)
      : height(s.in[1]),
        width(s.in[2]),
        x(Axis<T>{grid, 0, s.in[2], s.align_corners}, s.padding),
        y(Axis<T>{grid + 1, 0, s.in[1], s.align_corners}, s.padding) {
    if constexpr (deep) z = {Axis<T>{grid + 2, 0, s.in[0], s.align_corners}, s.padding};
  }

  // f(tap, pixel, weight) for the taps that lie inside.
  template <class F>
  __device__ __forceinline__ void each(F f) const {
    each_place([&](int64_t pixel, int i, int j, int k) {
      const T deeper = deep ? z.weight[k] : T(1);
      f((k * kEach + j) * kEach + i, pixel, x.weight[i] * y.weight[j] * deeper);
    });
  }
  // f(pixel, slopes of the weight by x, y and z) for them.
  template <class F>
  __device__ __forceinline__ void each_slope(F f) const {
    each_place([&](int64_t pixel, int i, int j, int k) {
      const T wx = x.weight[i], wy = y.weight[j], wz = deep ? z.weight[k] : T(1);
      f(pixel, x.slope[i] * wy * wz, wx * y.slope[j] * wz, deep ? wx * wy * z.slope[k] : T(0));
    });
  }

 private:
  // f(pixel, i, j, k) for the taps inside, which are numbers i, j, k along x, y, z.
  template <class F>
  __device__ __forceinline__ void each_place(F f) const {
    for (int k = 0; k < (deep ? kEach : 1); ++k)
      for (int j = 0; j < kEach; ++j)
        for (int i = 0; i < kEach; ++i) {
          const int32_t depth = deep ? z.at[k] : 0;
          if ((depth | y.at[j] | x.at[i]) >= 0)
            f((depth * height + y.at[j]) * width + x.at[i], i, j, k);
        }
  }
};

// f(mode, deep, T{}) with all three as constants.
template <class F>
void visit_grid(const GridShape& s, F f) {
  visit_real(s.dtype, [&](auto element) {
    const auto with = [&](auto mode) {
      if (s.rank == 3)
        f(mode, std::true_type(), element);
      else
        f(mode, std::false_type(), element);
    };
    if (s.mode == GridMode::nearest)
      with(std::integral_constant<GridMode, GridMode::nearest>());
    else if (s.mode == GridMode::bilinear)
      with(std::integral_constant<GridMode, GridMode::bilinear>());
    else  // images alone
      f(std::integral_constant<GridMode, GridMode::bicubic>(), std::false_type(), element);
  });
}

}  // namespace
}  // namespace lamina::cuda

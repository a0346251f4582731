// Sampling an image or a volume at given places: y[n, c, o] = x[n, c] at grid[n, o].
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lamina::kernels {

enum class GridMode { bilinear, nearest, bicubic };
enum class GridPadding { zeros, border, reflection };

struct GridShape {
  DType dtype;         // float32 or float64
  bool channels_last;  // of x and y: memory order N, spatial..., C; else N, C, spatial...
  GridMode mode;
  GridPadding padding;
  bool align_corners;
  int rank;  // 2 or 3
  int64_t batch, channels;
  int64_t in[3];   // depth (1 in images), height, width of x
  int64_t places;  // in the grid, an image
};

// x: (N, C, in...), y: (N, C, places), grid: (N, places, rank), its last dimension x, y(, z) from -1
// to 1.
struct GridSample {
  void (*forward)(const GridShape& s, const void* x, const void* grid, void* y);
  void (*backward_input)(const GridShape& s, const void* grid, const void* dy, void* dx);
  void (*backward_grid)(const GridShape& s, const void* x, const void* grid, const void* dy,
                        void* dgrid);
};

}  // namespace lamina::kernels

// Sampling of images and volumes at the places of a grid.
#pragma once

#include "core/array.h"
#include "kernels/grid_sample.h"

namespace lamina::ops {

struct GridOptions {
  kernels::GridMode mode;
  kernels::GridPadding padding;
  bool align_corners;
};

// x: (N, C, [D,] H, W), grid: (N, [OD,] OH, OW, 2 or 3); gives (N, C, [OD,] OH, OW).
Array grid_sample(const Array& x, const Array& grid, const GridOptions& options);
Array grid_sample_backward_input(const Array& dy, const Array& x, const Array& grid,
                                 const GridOptions& options);
Array grid_sample_backward_grid(const Array& dy, const Array& x, const Array& grid,
                                const GridOptions& options);

}  // namespace lamina::ops

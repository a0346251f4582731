#include "ops/grid_sample.h"

#include "kernels/registry.h"
#include "ops/copy.h"

namespace lamina::ops {
namespace {

using kernels::GridMode;
using kernels::GridSample;
using kernels::GridShape;

GridShape shape_of(const Array& x, const Array& grid, const GridOptions& options) {
  const int rank = x.rank() - 2;
  check(rank == 2 || rank == 3, "[grid_sample] expected an input of 4 or 5 dimensions, got shape ",
        x.shape());
  check(grid.rank() == x.rank() && grid.size(0) == x.size(0) && grid.size(rank + 1) == rank,
        "[grid_sample] expected a grid of ", x.size(0), " images and ", rank,
        " coordinates, in as many dimensions as the input of shape ", x.shape(), ", got shape ",
        grid.shape());
  check(options.mode != GridMode::bicubic || rank == 2,
        "[grid_sample] expected an input of 4 dimensions for mode 'bicubic', got shape ",
        x.shape());
  check<TypeError>(
      x.dtype() == grid.dtype() && (x.dtype() == DType::float32 || x.dtype() == DType::float64),
      "[grid_sample] expected float32 or float64 twice, got ", name(x.dtype()), " and ",
      name(grid.dtype()));
  // Few channels fill no vector: they are gathered from planes.
  const bool last = x.size(1) >= 8 && !x.is_contiguous() && x.is_channels_last();
  GridShape s{x.dtype(), last,      options.mode, options.padding, options.align_corners,
              rank,      x.size(0), x.size(1),    {1, 1, 1},       1};
  int64_t plane = 1;
  for (int d = 0; d < rank; ++d) {
    s.in[3 - rank + d] = x.size(d + 2);
    check(x.size(d + 2) > 0, "[grid_sample] expected spatial sizes of at least 1, got shape ",
          x.shape());
    plane *= x.size(d + 2);
    s.places *= grid.size(d + 1);
  }
  check(plane < INT32_MAX, "[grid_sample] expected fewer than 2^31 elements a plane, got shape ",
        x.shape());
  return s;
}

Dims output_shape(const Array& x, const Array& grid) {
  Dims shape{x.size(0), x.size(1)};
  for (int d = 1; d + 1 < grid.rank(); ++d) shape.push_back(grid.size(d));
  return shape;
}

Array in_order(const Array& a, const GridShape& s) {
  return s.channels_last ? channels_last(a) : contiguous(a);
}

Array allocate(const Dims& shape, const GridShape& s, Device device) {
  return s.channels_last ? Array::empty_channels_last(shape, s.dtype, device, "grid_sample")
                         : Array::empty(shape, s.dtype, device, "grid_sample");
}

Array checked_grad(const Array& dy, const Array& x, const Array& grid, const GridShape& s) {
  const Dims shape = output_shape(x, grid);
  check(dy.shape() == shape, "[grid_sample] expected a gradient of shape ", shape, ", got ",
        dy.shape());
  check<TypeError>(dy.dtype() == s.dtype, "[grid_sample] expected a gradient of ", name(s.dtype),
                   ", got ", name(dy.dtype()));
  return in_order(dy, s);
}

}  // namespace

Array grid_sample(const Array& x, const Array& grid, const GridOptions& options) {
  const GridShape s = shape_of(x, grid, options);
  const Array in = in_order(x, s), places = contiguous(grid);
  const Array y = allocate(output_shape(x, grid), s, x.device());
  if (y.numel() > 0)
    kernels::on<GridSample>(x.device()).forward(s, in.raw(), places.raw(), y.raw());
  return y;
}

Array grid_sample_backward_input(const Array& dy, const Array& x, const Array& grid,
                                 const GridOptions& options) {
  const GridShape s = shape_of(x, grid, options);
  const Array g = checked_grad(dy, x, grid, s), places = contiguous(grid);
  const Array dx = allocate(x.shape(), s, x.device());
  if (dx.numel() > 0)
    kernels::on<GridSample>(x.device()).backward_input(s, places.raw(), g.raw(), dx.raw());
  return dx;
}

Array grid_sample_backward_grid(const Array& dy, const Array& x, const Array& grid,
                                const GridOptions& options) {
  const GridShape s = shape_of(x, grid, options);
  const Array g = checked_grad(dy, x, grid, s), in = in_order(x, s), places = contiguous(grid);
  const Array dgrid = Array::empty(grid.shape(), s.dtype, x.device(), "grid_sample");
  if (dgrid.numel() > 0)
    kernels::on<GridSample>(x.device())
        .backward_grid(s, in.raw(), places.raw(), g.raw(), dgrid.raw());
  return dgrid;
}

}  // namespace lamina::ops

#include "ops/grid_sample.h"

#include "bindings/bindings.h"

namespace lamina::bindings {
namespace {

using kernels::GridMode;
using kernels::GridPadding;

}  // namespace

void bind_grid_sample(py::module_& m) {
  py::enum_<GridMode>(m, "GridMode")
      .value("bilinear", GridMode::bilinear)
      .value("nearest", GridMode::nearest)
      .value("bicubic", GridMode::bicubic);
  py::enum_<GridPadding>(m, "GridPadding")
      .value("zeros", GridPadding::zeros)
      .value("border", GridPadding::border)
      .value("reflection", GridPadding::reflection);
  def(m, "grid_sample",
      [](const Array& x, const Array& grid, GridMode mode, GridPadding padding, bool align) {
        return ops::grid_sample(x, grid, {mode, padding, align});
      });
  def(m, "grid_sample_backward_input",
      [](const Array& dy, const Array& x, const Array& grid, GridMode mode, GridPadding padding,
         bool align) {
        return ops::grid_sample_backward_input(dy, x, grid, {mode, padding, align});
      });
  def(m, "grid_sample_backward_grid",
      [](const Array& dy, const Array& x, const Array& grid, GridMode mode, GridPadding padding,
         bool align) {
        return ops::grid_sample_backward_grid(dy, x, grid, {mode, padding, align});
      });
}

}  // namespace lamina::bindings

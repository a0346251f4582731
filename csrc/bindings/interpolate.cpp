#include "ops/interpolate.h"

#include "bindings/bindings.h"

namespace lamina::bindings {

void bind_interpolate(py::module_& m) {
  py::enum_<ops::Interpolation>(m, "Interpolation")
      .value("nearest", ops::Interpolation::nearest)
      .value("nearest_exact", ops::Interpolation::nearest_exact)
      .value("linear", ops::Interpolation::linear)
      .value("cubic", ops::Interpolation::cubic)
      .value("area", ops::Interpolation::area);
  def(m, "interpolate",
      [](const Array& x, const Dims& size, const std::vector<double>& scales,
         ops::Interpolation mode, bool align_corners, bool antialias) {
        return ops::interpolate(x, size, scales, {mode, align_corners, antialias});
      });
  def(m, "interpolate_backward",
      [](const Array& grad, const Dims& shape, const std::vector<double>& scales,
         ops::Interpolation mode, bool align_corners, bool antialias) {
        return ops::interpolate_backward(grad, shape, scales, {mode, align_corners, antialias});
      });
}

}  // namespace lamina::bindings

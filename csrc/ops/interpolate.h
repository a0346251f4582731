// Resizing of images, sequences and volumes.
#pragma once

#include <vector>

#include "core/array.h"

namespace lamina::ops {

enum class Interpolation { nearest, nearest_exact, linear, cubic, area };

struct InterpolateOptions {
  Interpolation mode;
  bool align_corners, antialias;
};

// x: (N, C, spatial...), 1 to 3 spatial dimensions.  scales: for each of them output / input, where
// the caller gave it; 0: the quotient of the sizes.
Array interpolate(const Array& x, const Dims& size, const std::vector<double>& scales,
                  const InterpolateOptions& options);
// Its adjoint; `shape` is x's.
Array interpolate_backward(const Array& grad, const Dims& shape, const std::vector<double>& scales,
                           const InterpolateOptions& options);

}  // namespace lamina::ops

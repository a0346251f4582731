// The real two-dimensional Fourier transform of convolution's tiles.
#pragma once

#include "core/array.h"

namespace lamina::ops {

// x (count, h, w) -> (count, h, w / 2 + 1, 2), real parts before imaginary ones.
Array rfft2(const Array& x);

}  // namespace lamina::ops

// Fractional max pooling over two or three spatial dimensions.
#pragma once

#include "core/array.h"

namespace lamina::ops {

// Where in its plane each window's largest element is, int64: x (N, C, spatial...), draws
// (N, C, rank) in [0, 1) and of x's dtype -> (N, C, out...).
Array fractional_max_pool_indices(const Array& x, const Array& draws, const Dims& kernel,
                                  const Dims& out);

}  // namespace lamina::ops

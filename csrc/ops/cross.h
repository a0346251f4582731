// The cross product of 3-vectors.
#pragma once

#include "core/array.h"

namespace lamina::ops {

// Of the vectors along dimension `dim`, of size 3, of two arrays that broadcast to one shape.
Array cross(const Array& a, const Array& b, int64_t dim);

}  // namespace lamina::ops

// The same elements in other places: reversed, rotated, cut to a triangle, spread over zeros.
#pragma once

#include "core/array.h"

namespace lamina::ops {

Array new_zeros(const Array& like,
                const Dims& shape);  // dtype, device and, for the same rank, memory order of `like`
Array flip(const Array& a, const Dims& dims);
Array roll(const Array& a, const Dims& shifts, const Dims& dims);  // out[(i + shift) % n] = a[i]
Array triangle(const Array& a, int64_t diagonal, bool upper);      // of the last two dimensions
// The adjoint of unfold: windows (..., count, ..., size) added into an array of `shape`.
Array fold(const Array& windows, const Dims& shape, int64_t dim, int64_t size, int64_t step);

}  // namespace lamina::ops

// Distances between all pairs of rows.
#pragma once

#include <utility>

#include "core/array.h"

namespace lamina::ops {

// x: (batch, rows, features), y: (batch, columns, features); gives (batch, rows, columns).
Array cdist(const Array& x, const Array& y, double p);
Array pdist(const Array& x, double p);  // of the pairs of rows i < j of a matrix
Array pdist_backward(const Array& grad, const Array& x, const Array& out, double p);
// The gradients of x and y; `out` is what cdist gave.
std::pair<Array, Array> cdist_backward(const Array& grad, const Array& x, const Array& y,
                                       const Array& out, double p);

}  // namespace lamina::ops

// Softmax along one dimension.
#pragma once

#include "core/array.h"

namespace lamina::ops {

Array softmax(const Array& x, int64_t dim, bool log);
Array softmax_backward(const Array& y, const Array& grad, int64_t dim, bool log);

}  // namespace lamina::ops

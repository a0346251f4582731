// Joining arrays along a dimension, and the views that take them apart again.
#pragma once

#include <vector>

#include "core/array.h"

namespace lamina::ops {

using Arrays = std::vector<const Array*>;

// Promotes dtypes; an array of shape (0,) joins anything, as in torch.
Array cat(const Arrays& parts, int64_t dim);
Array stack(const Arrays& parts, int64_t dim);  // all of one shape; a new dimension counts them

std::vector<Array> split(const Array& a, const std::vector<int64_t>& sizes,
                         int64_t dim);  // sizes add up to a's
std::vector<Array> unbind(const Array& a, int64_t dim);

}  // namespace lamina::ops

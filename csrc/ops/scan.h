// Running sums, products and extrema along a dimension.
#pragma once

#include <optional>
#include <utility>

#include "core/array.h"
#include "kernels/scan.h"

namespace lamina::ops {

// Of max and min: also the position of each running extremum.
std::pair<Array, Array> scan_with_indices(kernels::ScanOp op, const Array& a, int64_t dim);

// Of sum and prod: elements are converted to `dtype` first; default: int64 for integers, else their
// own.
Array scan(kernels::ScanOp op, const Array& a, int64_t dim, std::optional<DType> dtype);

}  // namespace lamina::ops

// gather and scatter: an index with a position for every element, along one dimension.
#pragma once

#include "core/array.h"
#include "kernels/indexing.h"
#include "ops/promote.h"

namespace lamina::ops {

// out[i][j][k] = a[i][index[i][j][k]][k] for dim 1
Array gather(const Array& a, int64_t dim, const Array& index);
// a[i][index[i][j][k]][k] (op)= source[i][j][k]
void scatter(const Array& a, int64_t dim, const Array& index, const Operand& source,
             kernels::Combine combine, const char* op);

}  // namespace lamina::ops

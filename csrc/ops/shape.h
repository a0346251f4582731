// Views: other shapes and strides on the same memory.  reshape alone may copy.
#pragma once

#include <optional>

#include "core/array.h"

namespace lamina::ops {

int wrap_dim(int64_t dim, int rank, const char* op);  // -rank <= dim < rank; throws IndexError

Array reshape(const Array& a, const Dims& shape);  // one size may be -1; copies only if it must
Array view(const Array& a, const Dims& shape);     // as reshape; throws instead of copying
Array view_dtype(const Array& a, DType dtype);     // the same bytes as elements of another type
Array permute(const Array& a, const Dims& order);
Array transpose(const Array& a, int64_t dim0, int64_t dim1);
Array expand(const Array& a, const Dims& shape);  // -1 keeps a size
Array squeeze(const Array& a,
              const std::optional<Dims>& dims);  // without dims: every dimension of size 1
Array unsqueeze(const Array& a, int64_t dim);
Array select(const Array& a, int64_t dim, int64_t index);
Array slice(const Array& a, int64_t dim, int64_t start, int64_t stop,
            int64_t step);  // as Python's, step >= 1
Array diagonal(const Array& a, int64_t offset, int64_t dim1, int64_t dim2);
Array as_strided(const Array& a, const Dims& shape, const Dims& strides,
                 int64_t offset);  // bounds checked
Array unfold(const Array& a, int64_t dim, int64_t size,
             int64_t step);  // windows along dim, appended as a last dim

}  // namespace lamina::ops

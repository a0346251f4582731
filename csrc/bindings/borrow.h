// An Array on memory that somebody else owns.
#pragma once

#include "core/array.h"

namespace lamina::bindings {

// `data` is the first element, wherever it lies in memory that strides of either sign span.  On
// success the array owns `owner` and lets go of it through `release`; on an exception (bad
// alignment, overflow) the caller still does.
Array borrow(void* data, Device device, DType dtype, const Dims& shape, const Dims& strides,
             bool read_only, Storage::Release release, void* owner, const char* op);

}  // namespace lamina::bindings

// What copies tell the allocator of pinned memory.
#pragma once

#include "core/cuda.h"

namespace lamina::cuda {

// A copy from `data`, pinned, is under way on a stream of the device.
void record_pinned_copy(const void* data, int device, Stream stream);

}  // namespace lamina::cuda

// What copies tell the allocator of pinned memory.
#pragma once

namespace lamina::cuda {

// A copy from `data`, pinned, is under way on the current stream of the device.
void record_pinned_copy(const void* data, int device);

}  // namespace lamina::cuda

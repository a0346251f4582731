// What launchers do otherwise while their thread captures a graph (core/cuda.h), which will run long
// after they have returned.
#pragma once

#include <cstddef>

#include "core/cuda.h"

namespace lamina::cuda {

bool capturing();  // this thread

// Device memory for the span of a launcher: the graph's, which serves later launches of the same
// graph, or the allocator's.
void* take_scratch(size_t bytes, int device);
void give_scratch(void* data, int device) noexcept;

// A pinned copy of host memory that lives as long as the graph which is captured.
const void* keep_pinned(const void* from, size_t bytes);

}  // namespace lamina::cuda

// The device that this thread's calls of the runtime go to.
#pragma once

#include <cuda_runtime.h>

#include "core/cuda.h"

namespace lamina::cuda {

int active_device();  // as activate() left it; -1 before

// A stream is about to be destroyed: memory that it works on will not wait for it later.
void end_stream(int device, Stream stream);

// The stream that kernels launched now go to: the current one of the active device.
cudaStream_t stream();

}  // namespace lamina::cuda

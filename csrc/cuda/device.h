// The device that this thread's calls of the runtime go to.
#pragma once

#include <cuda_runtime.h>

namespace lamina::cuda {

int active_device();  // as activate() left it; -1 before

// The stream that kernels launched now go to: the current one of the active device.
cudaStream_t stream();

}  // namespace lamina::cuda

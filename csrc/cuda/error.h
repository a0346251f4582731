// Checks of calls of the CUDA runtime.
#pragma once

#include <cuda_runtime.h>

#include "core/cuda.h"

namespace lamina::cuda {

// Throws CudaError, or OutOfMemoryError, with the call, the device and what the runtime says.
[[noreturn]] void fail_call(cudaError_t error, const char* call);

inline void check_call(cudaError_t error, const char* call) {
  if (error != cudaSuccess) [[unlikely]]
    fail_call(error, call);
}

}  // namespace lamina::cuda

#define LAMINA_CUDA_CHECK(call) ::lamina::cuda::check_call(call, #call)

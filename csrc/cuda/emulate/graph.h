// Streams that capture, for the calls that then leave work to a graph instead of doing it.
#pragma once

#include <functional>
#include <memory>

#include "cuda/emulate/cuda_runtime.h"

namespace lamina::cuda::emulate {
struct Capture;
}

struct CUstream_st {
  std::unique_ptr<lamina::cuda::emulate::Capture> capture;  // while it captures
  CUstream_st();
  ~CUstream_st();
};

namespace lamina::cuda::emulate {

struct Operands {
  const void *first, *second;
};

// Does work on memory of `device`, or leaves it to the graph that the stream captures.
cudaError_t submit(cudaStream_t stream, int device, Operands operands,
                   const std::function<void()>& work);

// What a call gives that may not be made while the stream, or any stream of this thread, captures; it
// spoils the graph.
cudaError_t refuse_captured(cudaStream_t stream, bool spoils = true);
cudaError_t refuse_in_capture();

}  // namespace lamina::cuda::emulate

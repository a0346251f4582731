// CUDA graphs as the rest of lamina sees them (cuda/graph.cpp).
#pragma once

#include <functional>
#include <memory>

#include "core/cuda.h"
#include "core/reserve.h"

namespace lamina::cuda {

// Launches that one call makes again: the same kernels and copies, on the same memory.
class Graph {
 public:
  // Captures what `work` launches on the current stream of the device.  Nothing of it runs; where it
  // waits for the device, CudaError.  Scratch memory of kernels comes from `scratch`, which must
  // outlive the graph; what is copied from the host is copied as it is now.
  Graph(int device, Reserve& scratch, const std::function<void()>& work);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  void launch();  // on the current stream of the device

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace lamina::cuda

// What kernels find wrong that an op must know before it goes on.  Reading it waits for the device;
// what can wait is recorded instead (cuda/failure.h).
#pragma once

#include "cuda/launch.h"
#include "cuda/read_back.h"
#include "cuda/scratch.h"

namespace lamina::cuda {

struct Findings {
  int at[4];  // 1: found
};

// Findings on the active device; all zeros at first.
class Record {
 public:
  Record() : memory_(sizeof(Findings)) {
    LAMINA_CUDA_CHECK(cudaMemsetAsync(memory_.as<void>(), 0, sizeof(Findings), stream()));
  }
  Findings* data() const { return memory_.as<Findings>(); }
  Findings read() const { return read_back(data()); }

 private:
  DeviceScratch memory_;
};

}  // namespace lamina::cuda

// How a kernel checks an index that only the device sees (cuda/failure.h).
#pragma once

#include "cuda/failure.h"
#include "cuda/launch.h"

namespace lamina::cuda {

// An argument of the kernel: where to record, for which op.
struct RangeCheck {
  Failure* failure;
  char op[kOpName];
};

// For kernels launched on the active device.
inline RangeCheck range_check(const char* op) {
  RangeCheck check{failure_record(active_device()), {}};
  for (int i = 0; op[i] && i < kOpName - 1; ++i) check.op[i] = op[i];
  return check;
}

// Whether `value` is in [low, high); records it if not, unless another thread was first.
__device__ inline bool in_range(const RangeCheck& check, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value < high) return true;
  Failure& failure = *check.failure;
  if (atomicCAS(&failure.claimed, 0, 1) == 0) {
    for (int i = 0; i < kOpName; ++i) failure.op[i] = check.op[i];
    failure.value = value;
    failure.low = low;
    failure.high = high;
    __threadfence_system();
    *static_cast<volatile int*>(&failure.ready) = 1;
  }
  return false;
}

}  // namespace lamina::cuda

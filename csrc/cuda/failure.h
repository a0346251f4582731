// Failures that only a kernel can see, such as an index out of range.  The kernel records the first
// one and goes on without touching what it must not; the next synchronization raises it, and the
// device stays usable.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace lamina::cuda {

// One a device, in host memory that the device sees.
struct Failure {
  int set;    // 1 once a thread has claimed it
  int ready;  // 1 once the rest is written
  char op[24];
  int64_t value, low, high;  // `value` should have been in [low, high)
};

Failure* failure_record(int device);  // where kernels of the device write; an argument of theirs
void raise_failure(int device);       // throws IndexError if one was recorded, and clears it

// The name of an op, as an argument of a kernel.
struct OpName {
  char text[24];
};
inline OpName op_name(const char* name) {
  OpName op{};
  for (int i = 0; name[i] && i < 23; ++i) op.text[i] = name[i];
  return op;
}

// Whether `value` is in [low, high); records it if not.
__device__ inline bool check_range(Failure* failure, const OpName& op, int64_t value, int64_t low,
                                   int64_t high) {
  if (value >= low && value < high) return true;
  if (atomicCAS(&failure->set, 0, 1) == 0) {
    for (int i = 0; i < 24; ++i) failure->op[i] = op.text[i];
    failure->value = value;
    failure->low = low;
    failure->high = high;
    __threadfence_system();
    failure->ready = 1;
  }
  return false;
}

}  // namespace lamina::cuda

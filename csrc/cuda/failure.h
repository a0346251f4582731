// Failures that only a kernel can see, such as an index out of range.  The kernel records the first
// one and goes on without touching what it must not; the next synchronization raises it, and the
// device stays usable.
#pragma once

#include <cstdint>

namespace lamina::cuda {

inline constexpr int kOpName = 32;

// One a device, in host memory that the device sees.
struct Failure {
  int claimed;  // 1 once a thread has it
  int ready;    // 1 once the rest is written
  char op[kOpName];
  int64_t value, low, high;  // `value` should have been in [low, high)
};

Failure* failure_record(int device);  // where kernels of the device write; an argument of theirs
void raise_failure(int device);       // throws IndexError if one was recorded, and clears it

}  // namespace lamina::cuda

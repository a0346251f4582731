// Division by a number that is known at the launch, as a multiplication (Granlund and Montgomery,
// "Division by invariant integers using multiplication", PLDI'94): an integer division of the GPU
// takes some twenty instructions.
#pragma once

#include "cuda/launch.h"

namespace lamina::cuda {

// Divides n from 0 to 2^31 - 1.
struct Divisor {
  unsigned value, multiplier, shift;

  Divisor() = default;
  explicit Divisor(int64_t divisor) : value(static_cast<unsigned>(divisor)), shift(0) {
    while ((uint64_t{1} << shift) < value) ++shift;
    multiplier = static_cast<unsigned>((((uint64_t{1} << shift) - value) << 32) / value + 1);
  }

  __device__ unsigned quotient(unsigned n) const { return (__umulhi(n, multiplier) + n) >> shift; }
};

}  // namespace lamina::cuda

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

// The same for n from 0 to 2^63 - 1, as a number that one may also divide by: where there may be more
// than 2^31 elements.
struct WideDivisor {
  int64_t value;
  uint64_t multiplier;
  unsigned shift;

  WideDivisor() = default;
  explicit WideDivisor(int64_t divisor) : value(divisor), shift(0) {
    const auto by = static_cast<uint64_t>(divisor);
    while ((uint64_t{1} << shift) < by) ++shift;
    const unsigned __int128 rest = (uint64_t{1} << shift) - by;
    multiplier = static_cast<uint64_t>((rest << 64) / by + 1);
  }

  LAMINA_INLINE int64_t quotient(int64_t n) const {
    const auto dividend = static_cast<uint64_t>(n);
    const auto high =
        static_cast<uint64_t>(static_cast<unsigned __int128>(dividend) * multiplier >> 64);
    return static_cast<int64_t>((high + dividend) >> shift);
  }

  LAMINA_INLINE operator int64_t() const { return value; }  // NOLINT: it is that number
};

LAMINA_INLINE int64_t operator/(int64_t n, const WideDivisor& by) { return by.quotient(n); }
LAMINA_INLINE int64_t operator%(int64_t n, const WideDivisor& by) {
  return n - by.quotient(n) * by.value;
}

}  // namespace lamina::cuda

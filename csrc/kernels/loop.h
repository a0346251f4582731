// A loop over N strided operands of one broadcast shape, ready for a kernel: dimensions of size 1
// are gone, neighbours that lie together are merged, and the last dimension is the innermost in the
// output's memory.
#pragma once

#include <cstdint>

namespace lamina::kernels {

inline constexpr int kMaxLoopRank = 16;

template <int N>
struct Loop {
  int rank;                          // at least 1
  int64_t shape[kMaxLoopRank];       // 0 anywhere: nothing to do
  int64_t strides[N][kMaxLoopRank];  // in elements; 0 where an operand is broadcast
  void* data[N];                     // [0] is the output
  unsigned numbers = 0;  // as bits, operands that are one number, in host memory on any device
};

}  // namespace lamina::kernels

// Loops over strided operands (kernels/loop.h) as arguments of kernels that take an index a thread.
#pragma once

#include "cuda/strides.h"

namespace lamina::cuda {

inline constexpr int64_t kMostLoopElements = int64_t{1} << 30;  // of a Walk: Divisor takes 31 bits

// Where element i of each of N operands lies.
template <int N>
struct Walk {
  unsigned n;
  Places places;
  int64_t strides[N][kernels::kMaxLoopRank];

  Walk() = default;
  Walk(int rank, const int64_t* shape, const int64_t (*from)[kernels::kMaxLoopRank])
      : n(1), places(rank, shape) {
    for (int d = 0; d < rank; ++d) {
      n *= static_cast<unsigned>(shape[d]);
      for (int k = 0; k < N; ++k) strides[k][d] = from[k][d];
    }
  }
  explicit Walk(const kernels::Loop<N>& loop) : Walk(loop.rank, loop.shape, loop.strides) {}

  __device__ __forceinline__ void offsets(unsigned i, int64_t (&at)[N]) const {
    for (int k = 0; k < N; ++k) at[k] = 0;
    for (int d = places.rank - 1; d >= 0; --d) {
      const unsigned next = d > 0 ? places.shape[d].quotient(i) : 0;
      const unsigned position = i - next * places.shape[d].value;
      for (int k = 0; k < N; ++k) at[k] += position * strides[k][d];
      i = next;
    }
  }
};

// f(part) for parts of at most kMostLoopElements; none where the loop is empty.  `bytes` are the
// operands' item sizes.
template <int N, class F>
void for_parts(const kernels::Loop<N>& loop, const int64_t (&bytes)[N], const F& f) {
  int64_t n = 1;
  int largest = 0;
  for (int d = 0; d < loop.rank; ++d) {
    n *= loop.shape[d];
    if (loop.shape[d] > loop.shape[largest]) largest = d;
  }
  if (n == 0) return;
  if (n <= kMostLoopElements) return f(loop);
  kernels::Loop<N> front = loop, back = loop;
  front.shape[largest] = loop.shape[largest] / 2;
  back.shape[largest] = loop.shape[largest] - front.shape[largest];
  for (int k = 0; k < N; ++k)
    back.data[k] = static_cast<char*>(loop.data[k]) +
                   front.shape[largest] * loop.strides[k][largest] * bytes[k];
  for_parts(front, bytes, f);
  for_parts(back, bytes, f);
}

}  // namespace lamina::cuda

// Reductions within a warp and a block, as trees of fixed shape: the same bits run after run.
#pragma once

#include "cuda/launch.h"

namespace lamina::cuda {

// The value of the lane whose number differs in `bits`, for structs of whole 32-bit words too.
template <class T>
__device__ __forceinline__ T shuffle_xor(T value, int bits) {
  if constexpr (__is_same(T, float) || __is_same(T, double) || __is_same(T, int)) {
    return __shfl_xor_sync(kAllLanes, value, bits);
  } else {
    constexpr int kWords = sizeof(T) / sizeof(unsigned);
    static_assert(kWords * sizeof(unsigned) == sizeof(T));
    unsigned words[kWords];
    __builtin_memcpy(words, &value, sizeof value);
    for (int i = 0; i < kWords; ++i) words[i] = __shfl_xor_sync(kAllLanes, words[i], bits);
    __builtin_memcpy(&value, words, sizeof value);
    return value;
  }
}

// combine(a, b) over the lanes of a whole warp; every lane gets the result.
template <class T, class F>
__device__ __forceinline__ T warp_reduce(T value, F combine) {
  for (int bits = kWarpSize / 2; bits > 0; bits /= 2)
    value = combine(value, shuffle_xor(value, bits));
  return value;
}

// combine(a, b) over the threads of a block of `threads`, whole warps; every thread gets the result.
// `warps` is shared memory for one T a warp; the block may use it again after its next barrier.
template <int threads, class T, class F>
__device__ __forceinline__ T block_reduce(T value, T (&warps)[threads / kWarpSize], F combine) {
  value = warp_reduce(value, combine);
  if constexpr (threads > kWarpSize) {
    const unsigned warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
    if (lane == 0) warps[warp] = value;
    __syncthreads();
    value = warps[0];
    for (unsigned w = 1; w < threads / kWarpSize; ++w) value = combine(value, warps[w]);
  }
  return value;
}

}  // namespace lamina::cuda

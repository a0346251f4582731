// Running combinations over the threads of a block, in their order: combine(earlier, later) need not
// commute.
#pragma once

#include "cuda/launch.h"

namespace lamina::cuda {

// The value of the lane `delta` before, for structs of whole 32-bit words; its own where there is
// none.
template <class T>
__device__ __forceinline__ T shuffle_up(T value, unsigned delta) {
  constexpr int kWords = sizeof(T) / sizeof(unsigned);
  static_assert(kWords * sizeof(unsigned) == sizeof(T));
  unsigned words[kWords];
  __builtin_memcpy(words, &value, sizeof value);
  for (int i = 0; i < kWords; ++i) words[i] = __shfl_up_sync(kAllLanes, words[i], delta);
  __builtin_memcpy(&value, words, sizeof value);
  return value;
}

template <class T>
struct Scanned {
  T before;  // of the threads before this one
  T total;   // of all
};

// `none` combines to the other value.  `warps` is shared memory for one T a warp; the block may use
// it again after its next barrier.
template <int threads, class T, class F>
__device__ __forceinline__ Scanned<T> block_scan(T value, T none, T (&warps)[threads / kWarpSize],
                                                 F combine) {
  const unsigned warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
  for (unsigned delta = 1; delta < kWarpSize; delta *= 2) {
    const T earlier = shuffle_up(value, delta);
    if (lane >= delta) value = combine(earlier, value);
  }
  T before = shuffle_up(value, 1);
  if (lane == 0) before = none;
  if (lane == kWarpSize - 1) warps[warp] = value;
  __syncthreads();
  T ahead = none, total = none;
  for (unsigned w = 0; w < threads / kWarpSize; ++w) {
    if (w == warp) ahead = total;
    total = combine(total, warps[w]);
  }
  return {combine(ahead, before), total};
}

}  // namespace lamina::cuda

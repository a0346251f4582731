// CUDA's built-in device functions, as far as kernels here use them.  Atomics are atomic for
// ThreadSanitizer's sake; the threads themselves run one at a time.
#pragma once

#include <cmath>
#include <cstdint>

#include "cuda/emulate/block.h"

inline void __syncthreads() {
  using namespace lamina::cuda::emulate;
  barrier(Wait::block_barrier, "__syncthreads");
}

inline void __syncwarp(unsigned mask = ~0u) { lamina::cuda::emulate::synchronize_warp(mask); }

template <class T>
T __shfl_sync(unsigned mask, T value, int from, int width = 32) {
  const int lane = lamina::cuda::emulate::current_lane();
  lamina::cuda::emulate::exchange("__shfl_sync", mask, &value, sizeof value,
                                  static_cast<unsigned>((lane & -width) | (from & (width - 1))));
  return value;
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
  const int lane = lamina::cuda::emulate::current_lane(), from = lane ^ bits;
  lamina::cuda::emulate::exchange(
      "__shfl_xor_sync", mask, &value, sizeof value,
      static_cast<unsigned>((from & -width) > (lane & -width) ? lane : from));
  return value;
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const int lane = lamina::cuda::emulate::current_lane(), from = lane + static_cast<int>(delta);
  lamina::cuda::emulate::exchange(
      "__shfl_down_sync", mask, &value, sizeof value,
      static_cast<unsigned>(from >= (lane & -width) + width ? lane : from));
  return value;
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const int lane = lamina::cuda::emulate::current_lane(), from = lane - static_cast<int>(delta);
  lamina::cuda::emulate::exchange("__shfl_up_sync", mask, &value, sizeof value,
                                  static_cast<unsigned>(from < (lane & -width) ? lane : from));
  return value;
}
inline unsigned __ballot_sync(unsigned mask, int set) {
  return lamina::cuda::emulate::ballot(mask, set != 0);
}
inline int __any_sync(unsigned mask, int set) { return __ballot_sync(mask, set) != 0; }
inline int __all_sync(unsigned mask, int set) { return __ballot_sync(mask, !set) == 0; }

inline void __threadfence() { lamina::cuda::emulate::fence(); }
inline void __threadfence_system() { lamina::cuda::emulate::fence(); }

template <class T>
T __ldg(const T* p) {
  return *p;
}

template <class T>
T atomicAdd(T* p, T value) {
  if constexpr (__is_same(T, float) || __is_same(T, double)) {
    T old, next;
    __atomic_load(p, &old, __ATOMIC_RELAXED);
    do next = old + value;
    while (!__atomic_compare_exchange(p, &old, &next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return old;
  } else {
    return __atomic_fetch_add(p, value, __ATOMIC_RELAXED);
  }
}
template <class T>
T atomicCAS(T* p, T expected, T value) {
  __atomic_compare_exchange(p, &expected, &value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return expected;
}
template <class T>
T atomicMax(T* p, T value) {
  T old = __atomic_load_n(p, __ATOMIC_RELAXED);
  while (old < value &&
         !__atomic_compare_exchange(p, &old, &value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return old;
}
template <class T>
T atomicMin(T* p, T value) {
  T old = __atomic_load_n(p, __ATOMIC_RELAXED);
  while (value < old &&
         !__atomic_compare_exchange(p, &old, &value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return old;
}

inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(uint64_t{a} * b >> 32);
}
inline uint64_t __umul64hi(uint64_t a, uint64_t b) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(a) * b >> 64);
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(unsigned x) { return __builtin_ffs(static_cast<int>(x)); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline int __clz(int x) { return x ? __builtin_clz(static_cast<unsigned>(x)) : 32; }

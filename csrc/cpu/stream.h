// Stores that go past the caches, for an output so large that it would be gone from them before
// anybody reads it: its lines are not fetched first and push nothing out.
#pragma once

#include "cpu/vec.h"

namespace lamina::cpu::LAMINA_ISA {

inline constexpr int64_t kStreamedBytes = 16 << 20;  // of an output: half of a large L3

// p is aligned to a vector.
template <class T>
LAMINA_INLINE void stream(T* p, Vec<T> v) {
#if defined(__AVX512F__)
  __builtin_ia32_movntps512(reinterpret_cast<float*>(p), (Vec<float>)v);
#elif defined(__AVX__)
  __builtin_ia32_movntps256(reinterpret_cast<float*>(p), (Vec<float>)v);
#elif defined(__SSE__)
  __builtin_ia32_movntps(reinterpret_cast<float*>(p), (Vec<float>)v);
#else
  store(p, v);
#endif
}

// Before other threads may read what this one has streamed.
LAMINA_INLINE void finish_stream() {
#if defined(__SSE__)
  __builtin_ia32_sfence();
#endif
}

// Whether rows of n elements, `bytes` in all, should be streamed to p, and can be.
template <class T>
LAMINA_INLINE bool streams_to(const T* p, int64_t n, int64_t bytes) {
  return bytes >= kStreamedBytes && n % kLanes<T> == 0 &&
         reinterpret_cast<uintptr_t>(p) % kVectorBytes == 0;
}

}  // namespace lamina::cpu::LAMINA_ISA

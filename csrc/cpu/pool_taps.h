// Taps between memory, a byte or an int32 each, and lanes as wide as the elements': one instruction
// each way, which the compiler does not find for bytes by itself.  (The unmasked forms trip GCC's
// -Wmaybe-uninitialized.)
#pragma once

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "cpu/vec.h"

namespace lamina::cpu::LAMINA_ISA {

template <class T>
struct TapLane {
  using Type = int32_t;
};
template <>
struct TapLane<double> {
  using Type = int64_t;
};
template <class T>
using TapVec = Vec<typename TapLane<T>::Type>;  // as many taps as a vector has T

template <class I, int kCount>
struct TapMemory {
  typedef I Type __attribute__((vector_size(sizeof(I) * kCount)));
};

template <class T>
LAMINA_INLINE TapVec<T> widen_bytes(const uint8_t* p) {
#if defined(__AVX512F__)
  const __m128i bytes = sizeof(T) == 4 ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(p))
                                       : _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return reinterpret_cast<TapVec<T>>(sizeof(T) == 4 ? _mm512_maskz_cvtepu8_epi32(0xffff, bytes)
                                                    : _mm512_maskz_cvtepu8_epi64(0xff, bytes));
#elif defined(__AVX2__)
  const __m128i bytes =
      sizeof(T) == 4 ? _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)) : _mm_loadu_si32(p);
  return reinterpret_cast<TapVec<T>>(sizeof(T) == 4 ? _mm256_cvtepu8_epi32(bytes)
                                                    : _mm256_cvtepu8_epi64(bytes));
#else
  TapVec<T> v;
  for (int i = 0; i < kLanes<T>; ++i) v[i] = p[i];
  return v;
#endif
}

template <class T>
LAMINA_INLINE void narrow_bytes(uint8_t* p, TapVec<T> v) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm512_maskz_cvtepi32_epi8(0xffff, reinterpret_cast<__m512i>(v)));
  else
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p),
                     _mm512_maskz_cvtepi64_epi8(0xff, reinterpret_cast<__m512i>(v)));
#else
  const auto bytes = __builtin_convertvector(v, typename TapMemory<uint8_t, kLanes<T>>::Type);
  __builtin_memcpy(p, &bytes, sizeof bytes);
#endif
}

template <class T, class I>
LAMINA_INLINE TapVec<T> load_taps(const I* p) {
  if constexpr (sizeof(I) == 1) {
    return widen_bytes<T>(p);
  } else {
    typename TapMemory<I, kLanes<T>>::Type v;
    __builtin_memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, TapVec<T>);
  }
}

template <class T, class I>
LAMINA_INLINE TapVec<T> load_taps(const I* p, int n) {
  if (n == kLanes<T>) return load_taps<T>(p);
  TapVec<T> v{};
  for (int i = 0; i < n; ++i) v[i] = p[i];
  return v;
}

template <class T, class I>
LAMINA_INLINE void store_taps(I* p, TapVec<T> v, int n) {
  if (n < kLanes<T>) {
    for (int i = 0; i < n; ++i) p[i] = static_cast<I>(v[i]);
  } else if constexpr (sizeof(I) == 1) {
    narrow_bytes<T>(p, v);
  } else {
    const auto narrow = __builtin_convertvector(v, typename TapMemory<I, kLanes<T>>::Type);
    __builtin_memcpy(p, &narrow, sizeof narrow);
  }
}

}  // namespace lamina::cpu::LAMINA_ISA

// p[at[0]], p[at[1]], ..., 0 where an index is negative.  The compiler would load lane by lane; the
// instruction takes two thirds of the time.
#pragma once

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "cpu/vec.h"

namespace lamina::cpu::LAMINA_ISA {

LAMINA_INLINE Vec<float> gather(const float* p, const int32_t* at) {
#if defined(__AVX512F__)
  const __m512i index = _mm512_loadu_si512(at);
  return _mm512_mask_i32gather_ps(__m512{}, _mm512_cmpge_epi32_mask(index, __m512i{}), index, p, 4);
#elif defined(__AVX2__)
  const __m256i index = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  const __m256i inside = _mm256_xor_si256(index, _mm256_set1_epi32(-1));  // by the sign bit
  return _mm256_mask_i32gather_ps(__m256{}, p, index, _mm256_castsi256_ps(inside), 4);
#else
  Vec<float> y{};
  for (int i = 0; i < kLanes<float>; ++i)
    if (at[i] >= 0) y[i] = p[at[i]];
  return y;
#endif
}

LAMINA_INLINE Vec<double> gather(const double* p, const int32_t* at) {
#if defined(__AVX512F__)
  const __m256i index = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  return _mm512_mask_i32gather_pd(__m512d{}, _mm256_cmpge_epi32_mask(index, __m256i{}), index, p,
                                  8);
#elif defined(__AVX2__)
  const __m128i index = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  const __m256i inside = _mm256_cvtepi32_epi64(_mm_xor_si128(index, _mm_set1_epi32(-1)));
  return _mm256_mask_i32gather_pd(__m256d{}, p, index, _mm256_castsi256_pd(inside), 8);
#else
  Vec<double> y{};
  for (int i = 0; i < kLanes<double>; ++i)
    if (at[i] >= 0) y[i] = p[at[i]];
  return y;
#endif
}

}  // namespace lamina::cpu::LAMINA_ISA

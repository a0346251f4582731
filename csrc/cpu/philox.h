// Philox blocks, as many at once as a register has 64-bit lanes (one lane, one block), and how
// their bits become numbers.
//
// A round's two 32x32 -> 64 bit products are one instruction each on 64-bit lanes, and leave both
// halves where the next round wants them: the low half of a lane is the state's word, what the high
// half holds does not matter.
#pragma once

#include <utility>  // integer_sequence: a type, no code

#include "core/random.h"
#include "cpu/vec.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace lamina::cpu::LAMINA_ISA {
namespace {

using V32 = Vec<uint32_t>;
using V64 = Vec<uint64_t>;
inline constexpr int kBlocks = kLanes<uint64_t>;

LAMINA_INLINE V64 multiply_low_halves(V64 a, V64 b) {
#if defined(__AVX512F__)  // the unmasked form trips GCC's -Wuninitialized
  return reinterpret_cast<V64>(
      _mm512_maskz_mul_epu32(0xff, reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif defined(__AVX2__)
  return reinterpret_cast<V64>(
      _mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif defined(__SSE2__)
  return reinterpret_cast<V64>(
      _mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#else
  return (a & 0xffffffffu) * (b & 0xffffffffu);
#endif
}

// Words of blocks, one block a lane: words 0 to 3 in the low halves of c[0] to c[3].
struct PhiloxLanes {
  V64 c[4];

  LAMINA_INLINE V64 words01() const {
    return (c[0] & 0xffffffffu) | (c[1] << 32);
  }  // as they lie in memory
  LAMINA_INLINE V64 words23() const { return (c[2] & 0xffffffffu) | (c[3] << 32); }
  // Words 0 and 2, then 1 and 3, of each block in turn: the first and the second of each pair of
  // 32-bit draws.
  LAMINA_INLINE V32 firsts() const {
    return reinterpret_cast<V32>((c[0] & 0xffffffffu) | (c[2] << 32));
  }
  LAMINA_INLINE V32 seconds() const {
    return reinterpret_cast<V32>((c[1] & 0xffffffffu) | (c[3] << 32));
  }
};

LAMINA_INLINE PhiloxLanes philox_lanes(PhiloxKey key, V64 block) {
  const V64 m0 = broadcast(uint64_t{0xD2511F53u}), m1 = broadcast(uint64_t{0xCD9E8D57u});
  V64 c0 = block, c1 = block >> 32, c2 = broadcast(key.stream), c3 = broadcast(key.stream >> 32);
  uint32_t k0 = static_cast<uint32_t>(key.seed), k1 = static_cast<uint32_t>(key.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const V64 p0 = multiply_low_halves(c0, m0), p1 = multiply_low_halves(c2, m1);
    c0 = (p1 >> 32) ^ c1 ^ broadcast(uint64_t{k0});
    c2 = (p0 >> 32) ^ c3 ^ broadcast(uint64_t{k1});
    c1 = p1;
    c3 = p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

LAMINA_INLINE V64 lane_numbers() {  // 0, 1, 2, ...
  V64 v{};
  for (int i = 0; i < kBlocks; ++i) v[i] = static_cast<uint64_t>(i);
  return v;
}

// Blocks first, first + 1, ...
LAMINA_INLINE PhiloxLanes philox_lanes(PhiloxKey key, uint64_t first) {
  return philox_lanes(key, lane_numbers() + first);
}

// The lower (kHalf 0) or upper half of a0 b0 a1 b1 ...
template <int kHalf, class V, int... kLane>
LAMINA_INLINE V zip(V a, V b, std::integer_sequence<int, kLane...>) {
  constexpr int n = sizeof...(kLane);
  return __builtin_shufflevector(a, b, (kHalf * n / 2 + kLane / 2 + kLane % 2 * n)...);
}

// Stores a0 b0 a1 b1 ..., two registers.
template <class T>
LAMINA_INLINE void store_interleaved(T* out, Vec<T> a, Vec<T> b) {
  constexpr std::make_integer_sequence<int, kLanes<T>> lanes{};
  store(out, zip<0>(a, b, lanes));
  store(out + kLanes<T>, zip<1>(a, b, lanes));
}

// The words of blocks in the order of the draws.
LAMINA_INLINE void store_words(uint32_t* out, const PhiloxLanes& lanes) {
  constexpr std::make_integer_sequence<int, kBlocks> each{};
  const V64 a = lanes.words01(), b = lanes.words23();
  store(out, reinterpret_cast<V32>(zip<0>(a, b, each)));
  store(out + kLanes<uint32_t>, reinterpret_cast<V32>(zip<1>(a, b, each)));
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

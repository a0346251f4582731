// Elements as unsigned integers in the same order, so that one comparison serves every dtype: the
// sign bit of integers flips; of floats, all bits of negative ones do.  -0 becomes +0, every NaN
// the greatest.
#pragma once

#include "core/dtype.h"

#if !defined(LAMINA_ISA)
#error "cpu/sort_key.h belongs to files that are compiled per instruction set"
#endif

namespace lamina::cpu::LAMINA_ISA {

LAMINA_INLINE uint32_t sort_key(float x) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, x), sign = 0x80000000u,
                 magnitude = bits & ~sign;
  const uint32_t key = bits & sign && magnitude ? ~bits : magnitude | sign;
  return magnitude > 0x7f800000u ? ~0u : key;
}
LAMINA_INLINE uint64_t sort_key(double x) {
  const uint64_t bits = __builtin_bit_cast(uint64_t, x), sign = uint64_t{1} << 63,
                 magnitude = bits & ~sign;
  const uint64_t key = bits & sign && magnitude ? ~bits : magnitude | sign;
  return magnitude > 0x7ff0000000000000u ? ~uint64_t{0} : key;
}
LAMINA_INLINE uint32_t sort_key(float16 x) { return sort_key(static_cast<float>(x)); }
LAMINA_INLINE uint32_t sort_key(bfloat16 x) { return sort_key(static_cast<float>(x)); }
LAMINA_INLINE uint32_t sort_key(bool x) { return x; }
LAMINA_INLINE uint32_t sort_key(uint8_t x) { return x; }
LAMINA_INLINE uint32_t sort_key(int8_t x) { return static_cast<uint32_t>(x + 128); }
LAMINA_INLINE uint32_t sort_key(int32_t x) { return static_cast<uint32_t>(x) ^ 0x80000000u; }
LAMINA_INLINE uint64_t sort_key(int64_t x) {
  return static_cast<uint64_t>(x) ^ uint64_t { 1 } << 63;
}

}  // namespace lamina::cpu::LAMINA_ISA

// The two 16-bit floats: storage formats on the CPU, converted to float32 to compute.
#pragma once

#include <cstdint>

#include "core/macros.h"

namespace lamina {

LAMINA_INLINE uint32_t float_bits(float x) { return __builtin_bit_cast(uint32_t, x); }
LAMINA_INLINE float bits_float(uint32_t x) { return __builtin_bit_cast(float, x); }

// bfloat16: the upper half of a float32, rounded to nearest even; NaN stays a (quiet) NaN.
struct bfloat16 {
  uint16_t bits;

  bfloat16() = default;
  LAMINA_INLINE explicit bfloat16(float x) {
    const uint32_t u = float_bits(x);
    const bool nan = (u & 0x7fffffffu) > 0x7f800000u;
    bits = nan ? static_cast<uint16_t>((u >> 16) | 0x40u)
               : static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
  LAMINA_INLINE operator float() const { return bits_float(static_cast<uint32_t>(bits) << 16); }
};

// IEEE 754 binary16, rounded to nearest even, with subnormals.
struct float16 {
  uint16_t bits;

  float16() = default;
  LAMINA_INLINE explicit float16(float x) {
    const uint32_t u = float_bits(x), sign = (u >> 16) & 0x8000u, magnitude = u & 0x7fffffffu;
    if (magnitude > 0x7f800000u) {
      bits = static_cast<uint16_t>(sign | 0x7e00u);
    } else if (magnitude >= 0x47800000u) {  // 65536 and above, infinity
      bits = static_cast<uint16_t>(sign | 0x7c00u);
    } else if (magnitude < 0x38800000u) {  // below 2^-14: a subnormal; 0.5f aligns its last bit
      const float shifted = bits_float(magnitude) + 0.5f;
      bits = static_cast<uint16_t>(sign | (float_bits(shifted) - 0x3f000000u));
    } else {
      const uint32_t odd = (magnitude >> 13) & 1u;
      bits = static_cast<uint16_t>(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
    }
  }
  LAMINA_INLINE operator float() const {
    const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16, rest = bits & 0x7fffu;
    if (rest >= 0x7c00u) return bits_float(sign | 0x7f800000u | ((rest & 0x3ffu) << 13));
    if (rest >= 0x400u) return bits_float(sign | ((rest << 13) + 0x38000000u));
    return bits_float(sign | float_bits(static_cast<float>(rest) * 0x1p-24f));
  }
};

}  // namespace lamina

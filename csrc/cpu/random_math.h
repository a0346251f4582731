// Numbers from random bits, a vector at a time: the formulas of kernels/random_math.inc, for files
// that are compiled with -ffp-contract=off.
#pragma once

#include "cpu/vec_math.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using F32 = Vec<float>;
using F64 = Vec<double>;
using I32 = Vec<int32_t>;
using U32 = Vec<uint32_t>;
using U64 = Vec<uint64_t>;

LAMINA_INLINE F32 as_float(U32 bits) { return reinterpret_cast<F32>(bits); }
LAMINA_INLINE F64 as_double(U64 bits) { return reinterpret_cast<F64>(bits); }

LAMINA_INLINE U32 bits_of(F32 x) { return reinterpret_cast<U32>(x); }
LAMINA_INLINE U64 bits_of(F64 x) { return reinterpret_cast<U64>(x); }

LAMINA_INLINE F32 to_float(U32 x) { return __builtin_convertvector(reinterpret_cast<I32>(x), F32); }
LAMINA_INLINE F32 exponent_of(U32 x) {
  return __builtin_convertvector(reinterpret_cast<I32>(x) >> 23, F32);
}

// Any 64-bit integer, rounded once.  No instruction does it before AVX-512: the halves become
// fractions of 2^84 and 2^52 by their bits, and lose those powers again.
LAMINA_INLINE F64 to_double(U64 x) {
  const F64 high = as_double((x >> 32) | 0x4530000000000000u) - 0x1.00000001p84;
  return high + as_double((x & 0xffffffffu) | 0x4330000000000000u);
}

using math::square_root;

#include "kernels/random_math.inc"

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

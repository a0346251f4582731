// Numbers from random bits, with the CPU's bits: the formulas of kernels/random_math.inc, for files that
// are compiled without a * b + c in one rounding.
#pragma once

#include <math.h>

#include "cuda/launch.h"

namespace lamina::cuda::draws {

using F32 = float;
using F64 = double;
using U32 = uint32_t;
using U64 = uint64_t;

LAMINA_INLINE F32 as_float(U32 bits) { return __builtin_bit_cast(F32, bits); }
LAMINA_INLINE F64 as_double(U64 bits) { return __builtin_bit_cast(F64, bits); }
LAMINA_INLINE U32 bits_of(F32 x) { return __builtin_bit_cast(U32, x); }
LAMINA_INLINE U64 bits_of(F64 x) { return __builtin_bit_cast(U64, x); }

LAMINA_INLINE F32 to_float(U32 x) { return static_cast<F32>(static_cast<int32_t>(x)); }
LAMINA_INLINE F64 to_double(U64 x) { return static_cast<F64>(x); }
LAMINA_INLINE F32 exponent_of(U32 x) { return static_cast<F32>(static_cast<int32_t>(x) >> 23); }

template <class T>
LAMINA_INLINE T select(bool condition, T a, T b) {
  return condition ? a : b;
}

LAMINA_INLINE F32 square_root(F32 x) { return sqrtf(x); }
LAMINA_INLINE F64 square_root(F64 x) { return sqrt(x); }

#include "kernels/random_math.inc"

}  // namespace lamina::cuda::draws

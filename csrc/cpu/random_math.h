// Numbers from random bits, and the functions that shape them, in separate multiplications and
// additions: together with -ffp-contract=off for the files that include this, every instruction set
// computes the same bits.
//
// log, sin and cos after Cephes (float) and fdlibm (double); within 2 ulp on the ranges that draws
// come from.
#pragma once

#include "cpu/vec.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using F32 = Vec<float>;
using F64 = Vec<double>;
using I32 = Vec<int32_t>;
using U32 = Vec<uint32_t>;
using U64 = Vec<uint64_t>;

LAMINA_INLINE F32 as_float(U32 bits) { return reinterpret_cast<F32>(bits); }
LAMINA_INLINE F64 as_double(U64 bits) { return reinterpret_cast<F64>(bits); }

// Integers below 2^31.
LAMINA_INLINE F32 to_float(U32 x) { return __builtin_convertvector(reinterpret_cast<I32>(x), F32); }

// Any 64-bit integer, rounded once.  No instruction does it before AVX-512: the halves become
// fractions of 2^84 and 2^52 by their bits, and lose those powers again.
LAMINA_INLINE F64 to_double(U64 x) {
  const F64 high = as_double((x >> 32) | 0x4530000000000000u) - 0x1.00000001p84;
  return high + as_double((x & 0xffffffffu) | 0x4330000000000000u);
}

// [0, 1), with the given number of leading bits of a word.
template <int kBits>
LAMINA_INLINE F32 unit(U32 word) {
  return to_float(word >> (32 - kBits)) * (1.0f / (1 << kBits));
}
LAMINA_INLINE F64 unit(U64 words) { return to_double(words >> 11) * 0x1p-53; }

// (0, 1], with all bits of a word: small values are as fine as the type allows, so that tails reach
// far.
LAMINA_INLINE F32 unit_open(U32 word) {
  const F32 all = to_float(word >> 16) * 0x1p16f + to_float(word & 0xffffu);  // rounded once
  return all * 0x1p-32f + 0x1p-33f;
}
LAMINA_INLINE F64 unit_open(U64 words) { return to_double(words) * 0x1p-64 + 0x1p-65; }

LAMINA_INLINE F32 square_root(F32 x) {
  for (int i = 0; i < kLanes<float>; ++i) x[i] = __builtin_sqrtf(x[i]);
  return x;
}
LAMINA_INLINE F64 square_root(F64 x) {
  for (int i = 0; i < kLanes<double>; ++i) x[i] = __builtin_sqrt(x[i]);
  return x;
}

// Natural logarithm of positive normal numbers: x = m * 2^e, m in [sqrt(1/2), sqrt(2)).
LAMINA_INLINE F32 log(F32 x) {
  const U32 bits = reinterpret_cast<U32>(x), offset = bits - 0x3f3504f3u;  // sqrt(1/2)
  const F32 e = __builtin_convertvector(reinterpret_cast<I32>(offset) >> 23, F32);
  const F32 f = as_float((offset & 0x7fffffu) + 0x3f3504f3u) - 1.0f;
  const F32 z = f * f;
  F32 p = f * 7.0376836292e-2f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  const F32 low = f * z * p - e * 2.12194440e-4f - z * 0.5f;
  return f + low + e * 0.693359375f;
}

LAMINA_INLINE F64 log(F64 x) {
  const U64 bits = reinterpret_cast<U64>(x), offset = bits - 0x3fe6a09e667f3bcdu;  // sqrt(1/2)
  // The exponent, as the low bits of 2^52 + 2^11 + e: an arithmetic shift that every instruction
  // set has.
  const F64 e =
      as_double(((offset + (uint64_t{1} << 63)) >> 52) + 0x4330000000000000u) - (0x1p52 + 0x1p11);
  const F64 f = as_double((offset & 0xfffffffffffffu) + 0x3fe6a09e667f3bcdu) - 1.0;
  const F64 s = f / (f + 2.0), z = s * s, w = z * z, half = f * f * 0.5;
  const F64 t1 =
      w * (w * (w * 1.531383769920937332e-1 + 2.222219843214978396e-1) + 3.999999999940941908e-1);
  const F64 t2 =
      z *
      (w * (w * (w * 1.479819860511658591e-1 + 1.818357216161805012e-1) + 2.857142874366239149e-1) +
       6.666666666666735130e-1);
  return e * 6.93147180369123816490e-1 -
         ((half - (s * (half + t1 + t2) + e * 1.90821492927058770002e-10)) - f);
}

// Cosine and sine of a turn's fraction word / 2^32 (or words / 2^64): the leading two bits,
// rounded, are the quadrant q; the rest r lies within an eighth of a turn.  (cos, sin) then is (c,
// s), (-s, c), (-c, -s), (s, -c).
template <class V>
struct CosSin {
  V cos, sin;
};

LAMINA_INLINE CosSin<F32> cos_sin_turn(U32 word) {
  const U32 q = (word + 0x20000000u) >> 30;
  const F32 r =
      __builtin_convertvector(reinterpret_cast<I32>(word - (q << 30)), F32) * 0x1.921fb6p-30f;
  const F32 z = r * r;
  const F32 s = ((z * -1.9515295891e-4f + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * r + r;
  const F32 c =
      ((z * 2.443315711809948e-5f - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z -
      z * 0.5f + 1.0f;
  const auto odd = (q & 1) != 0;
  const U32 cos = reinterpret_cast<U32>(select(odd, s, c)) ^ (((q + 1) & 2) << 30);
  const U32 sin = reinterpret_cast<U32>(select(odd, c, s)) ^ ((q & 2) << 30);
  return {as_float(cos), as_float(sin)};
}

LAMINA_INLINE CosSin<F64> cos_sin_turn(U64 words) {
  const U64 q = (words + 0x2000000000000000u) >> 62;
  const U64 rest = words - (q << 62) + 0x2000000000000000u;  // r + an eighth, in [0, a quarter)
  const F64 r = (to_double(rest >> 8) - 0x1p53) * (0x1.921fb54442d18p-54);
  const F64 z = r * r;
  const F64 sp = z * (z * (z * (z * 1.58969099521155010221e-10 - 2.50507602534068634195e-8) +
                           2.75573137070700676789e-6) -
                      1.98412698298579493134e-4) +
                 8.33333333332248946124e-3;
  const F64 s = (sp * z - 1.66666666666666324348e-1) * z * r + r;
  const F64 cp = z * (z * (z * (z * (z * -1.13596475577881948265e-11 + 2.08757232129817482790e-9) -
                                2.75573143513906633035e-7) +
                           2.48015872894767294178e-5) -
                      1.38888888888741095749e-3) +
                 4.16666666666666019037e-2;
  const F64 c = cp * z * z - z * 0.5 + 1.0;
  const auto odd = (q & 1) != 0;
  const U64 cos = reinterpret_cast<U64>(select(odd, s, c)) ^ (((q + 1) & 2) << 62);
  const U64 sin = reinterpret_cast<U64>(select(odd, c, s)) ^ ((q & 2) << 62);
  return {as_double(cos), as_double(sin)};
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

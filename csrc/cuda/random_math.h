// Numbers from random bits, with the bits that cpu/random_math.h computes: the same operations in
// the same order, each rounded once (the files that include this are compiled without a * b + c in
// one rounding).  log, sin and cos after Cephes (float) and fdlibm (double).
#pragma once

#include <math.h>

#include "cuda/launch.h"

namespace lamina::cuda::draws {

__device__ __forceinline__ float as_float(uint32_t bits) { return __builtin_bit_cast(float, bits); }
__device__ __forceinline__ double as_double(uint64_t bits) {
  return __builtin_bit_cast(double, bits);
}
__device__ __forceinline__ float to_float(uint32_t x) { return static_cast<float>(x); }
__device__ __forceinline__ double to_double(uint64_t x) { return static_cast<double>(x); }

// [0, 1), with the given number of leading bits of a word.
template <int bits>
__device__ __forceinline__ float unit(uint32_t word) {
  return to_float(word >> (32 - bits)) * (1.0f / (1 << bits));
}
__device__ __forceinline__ double unit(uint64_t words) { return to_double(words >> 11) * 0x1p-53; }

// (0, 1], with all bits of a word.
__device__ __forceinline__ float unit_open(uint32_t word) {
  const float all = to_float(word >> 16) * 0x1p16f + to_float(word & 0xffffu);
  return all * 0x1p-32f + 0x1p-33f;
}
__device__ __forceinline__ double unit_open(uint64_t words) {
  return to_double(words) * 0x1p-64 + 0x1p-65;
}

__device__ __forceinline__ float square_root(float x) { return sqrtf(x); }
__device__ __forceinline__ double square_root(double x) { return sqrt(x); }

// Natural logarithm of positive normal numbers: x = m * 2^e, m in [sqrt(1/2), sqrt(2)).
__device__ __forceinline__ float log(float x) {
  const uint32_t offset = __builtin_bit_cast(uint32_t, x) - 0x3f3504f3u;  // sqrt(1/2)
  const float e = static_cast<float>(static_cast<int32_t>(offset) >> 23);
  const float f = as_float((offset & 0x7fffffu) + 0x3f3504f3u) - 1.0f;
  const float z = f * f;
  float p = f * 7.0376836292e-2f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  const float low = f * z * p - e * 2.12194440e-4f - z * 0.5f;
  return f + low + e * 0.693359375f;
}

__device__ __forceinline__ double log(double x) {
  const uint64_t offset = __builtin_bit_cast(uint64_t, x) - 0x3fe6a09e667f3bcdu;  // sqrt(1/2)
  const double e = static_cast<double>(static_cast<int64_t>(offset) >> 52);
  const double f = as_double((offset & 0xfffffffffffffu) + 0x3fe6a09e667f3bcdu) - 1.0;
  const double s = f / (f + 2.0), z = s * s, w = z * z, half = f * f * 0.5;
  const double t1 =
      w * (w * (w * 1.531383769920937332e-1 + 2.222219843214978396e-1) + 3.999999999940941908e-1);
  const double t2 =
      z *
      (w * (w * (w * 1.479819860511658591e-1 + 1.818357216161805012e-1) + 2.857142874366239149e-1) +
       6.666666666666735130e-1);
  return e * 6.93147180369123816490e-1 -
         ((half - (s * (half + t1 + t2) + e * 1.90821492927058770002e-10)) - f);
}

// Cosine and sine of a turn's fraction word / 2^32 (or words / 2^64): the leading two bits, rounded,
// are the quadrant; the rest lies within an eighth of a turn.
template <class T>
struct CosSin {
  T cos, sin;
};

template <class T>
__device__ __forceinline__ CosSin<T> turned(unsigned quadrant, T c, T s) {
  const T cos = quadrant & 1 ? s : c, sin = quadrant & 1 ? c : s;
  return {(quadrant + 1) & 2 ? -cos : cos, quadrant & 2 ? -sin : sin};
}

__device__ __forceinline__ CosSin<float> cos_sin_turn(uint32_t word) {
  const uint32_t q = (word + 0x20000000u) >> 30;
  const float r = static_cast<float>(static_cast<int32_t>(word - (q << 30))) * 0x1.921fb6p-30f;
  const float z = r * r;
  const float s = ((z * -1.9515295891e-4f + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * r + r;
  const float c =
      ((z * 2.443315711809948e-5f - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z -
      z * 0.5f + 1.0f;
  return turned(q, c, s);
}

__device__ __forceinline__ CosSin<double> cos_sin_turn(uint64_t words) {
  const uint64_t q = (words + 0x2000000000000000u) >> 62;
  const uint64_t rest = words - (q << 62) + 0x2000000000000000u;  // r + an eighth
  const double r = (to_double(rest >> 8) - 0x1p53) * (0x1.921fb54442d18p-54);
  const double z = r * r;
  const double sp = z * (z * (z * (z * 1.58969099521155010221e-10 - 2.50507602534068634195e-8) +
                              2.75573137070700676789e-6) -
                         1.98412698298579493134e-4) +
                    8.33333333332248946124e-3;
  const double s = (sp * z - 1.66666666666666324348e-1) * z * r + r;
  const double cp =
      z * (z * (z * (z * (z * -1.13596475577881948265e-11 + 2.08757232129817482790e-9) -
                     2.75573143513906633035e-7) +
                2.48015872894767294178e-5) -
           1.38888888888741095749e-3) +
      4.16666666666666019037e-2;
  const double c = cp * z * z - z * 0.5 + 1.0;
  return turned(static_cast<unsigned>(q), c, s);
}

}  // namespace lamina::cuda::draws

// The C library's functions, one value at a time, for what cpu/vec_math.h has no vector form of;
// each within an ulp.
#pragma once

#include "core/macros.h"

namespace lamina::cpu::LAMINA_ISA::scalar {

#define LAMINA_SCALAR_1(name)                                          \
  LAMINA_INLINE float name(float x) { return __builtin_##name##f(x); } \
  LAMINA_INLINE double name(double x) { return __builtin_##name(x); }
#define LAMINA_SCALAR_2(name)                                                      \
  LAMINA_INLINE float name(float x, float y) { return __builtin_##name##f(x, y); } \
  LAMINA_INLINE double name(double x, double y) { return __builtin_##name(x, y); }

LAMINA_SCALAR_1(ceil)
LAMINA_SCALAR_1(trunc)
LAMINA_SCALAR_1(rint)
LAMINA_SCALAR_1(sqrt)
LAMINA_SCALAR_1(fabs)
LAMINA_SCALAR_1(sin)
LAMINA_SCALAR_1(cos)
LAMINA_SCALAR_1(tan)
LAMINA_SCALAR_1(cbrt)
LAMINA_SCALAR_1(log)
LAMINA_SCALAR_1(erfc)
LAMINA_SCALAR_2(pow)
LAMINA_SCALAR_2(atan2)
LAMINA_SCALAR_2(fmod)
LAMINA_SCALAR_2(copysign)

#undef LAMINA_SCALAR_1
#undef LAMINA_SCALAR_2

// Written so that the compiler makes vectors of it in a loop, which it does with rint alone.
template <class T>
LAMINA_INLINE T floor(T x) {
  const T nearest = rint(x);
  return nearest > x ? nearest - 1 : nearest;
}

}  // namespace lamina::cpu::LAMINA_ISA::scalar

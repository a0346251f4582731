// The C library's functions by the names that formulas shared with the CPU call (kernels/*.inc).
#pragma once

#include <math.h>

#include "core/macros.h"

namespace lamina::cuda::scalar {

LAMINA_INLINE float floor(float x) { return ::floorf(x); }
LAMINA_INLINE double floor(double x) { return ::floor(x); }
LAMINA_INLINE float ceil(float x) { return ::ceilf(x); }
LAMINA_INLINE double ceil(double x) { return ::ceil(x); }
LAMINA_INLINE float trunc(float x) { return ::truncf(x); }
LAMINA_INLINE double trunc(double x) { return ::trunc(x); }
LAMINA_INLINE float rint(float x) { return ::rintf(x); }
LAMINA_INLINE double rint(double x) { return ::rint(x); }
LAMINA_INLINE double sqrt(double x) { return ::sqrt(x); }
LAMINA_INLINE double cbrt(double x) { return ::cbrt(x); }
LAMINA_INLINE float fmod(float x, float y) { return ::fmodf(x, y); }
LAMINA_INLINE double fmod(double x, double y) { return ::fmod(x, y); }
LAMINA_INLINE float copysign(float x, float y) { return ::copysignf(x, y); }
LAMINA_INLINE double copysign(double x, double y) { return ::copysign(x, y); }

}  // namespace lamina::cuda::scalar

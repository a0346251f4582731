// Elementwise ops with broadcasting: out[i] = f(a[i], b[i], c[i]; p).
//
// Every operand may have a dtype of its own: the kernel converts inputs to the dtype that the op
// computes in, and the result to the output's.  `compute` is float32, float64, int32, int64 or
// bool; narrower types compute in a wider one. Tests and comparisons compute bool.
#pragma once

#include "core/dtype.h"
#include "kernels/loop.h"

namespace lamina::kernels {

enum class Unary {
  neg,
  abs,
  sign,
  square,
  bitwise_not,
  relu,
  logical_not,  // also integers
  floor,
  ceil,
  round,
  trunc,
  frac,
  sqrt,
  rsqrt,
  reciprocal,
  exp,
  exp2,
  expm1,
  log,
  log2,
  log10,
  log1p,
  sin,
  cos,
  tan,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  tanh,
  sigmoid,
  erf,
  erfc,
  lgamma,
  digamma,
  erfinv,
  acosh,
  asinh,
  atanh,
  isnan,
  isinf,
  isfinite,
  nan_to_num,  // p: for NaN, +inf, -inf
  round_to,    // p: 10^|decimals|, whether decimals are negative
  polygamma,   // p: order, an integer >= 1
  power,       // p: exponent
  leaky_relu,  // p: slope
  elu,         // p: alpha
  gelu,
  gelu_tanh,
  silu,
  softplus,  // p: beta, threshold
  clamp,     // p: min, max
  selu,
  celu,  // p: alpha
  log_sigmoid,
  mish,
  hardsigmoid,
  hardswish,
  softshrink,  // p: lambda
  hardshrink,  // p: lambda
  threshold,   // p: threshold, value
};

enum class Binary {
  add,
  subtract,
  multiply,
  divide,
  floor_divide,
  trunc_divide,
  remainder,
  fmod,
  pow,
  maximum,
  minimum,
  fmax,
  fmin,
  atan2,
  logaddexp,
  logaddexp2,
  hypot,
  copysign,
  xlogy,  // a log(b), 0 where a is 0
  eq,
  ne,
  lt,
  le,
  gt,
  ge,
  logical_and,
  logical_or,
  logical_xor,
  bitwise_and,
  bitwise_or,
  bitwise_xor,
  shift_left,
  shift_right,
  relu_backward,        // a: gradient, b: output
  leaky_relu_backward,  // a: gradient, b: output; p: slope
  elu_backward,         // a: gradient, b: output; p: alpha
  sigmoid_backward,
  tanh_backward,  // a: gradient, b: output
  gelu_backward,
  gelu_tanh_backward,
  silu_backward,      // a: gradient, b: input
  softplus_backward,  // a: gradient, b: input; p: beta, threshold
  clamp_backward,     // a: gradient, b: input; p: min, max: passes at the bounds
  hardtanh_backward,  // a: gradient, b: input or output; p: min, max: stops at the bounds
  selu_backward,      // a: gradient, b: output
  celu_backward,      // a: gradient, b: output; p: alpha
  log_sigmoid_backward,
  mish_backward,
  hardsigmoid_backward,
  hardswish_backward,  // a: gradient, b: input
  shrink_backward,     // a: gradient, b: input; p: lambda
  threshold_backward,  // a: gradient, b: input; p: threshold
  add_scaled,          // a + p b
  subtract_scaled,     // a - p b
};

enum class Ternary {
  where,    // a: bool, b where it is set, c elsewhere
  clamp,    // a, not below b, not above c
  lerp,     // a + c (b - a)
  addcmul,  // a + p b c
  addcdiv,  // a + p b / c
};

struct Elementwise {
  // dtypes: of the operands as they lie in memory, the output's first.  p: at least 3 numbers.
  void (*unary)(Unary op, DType compute, const DType (&dtypes)[2], const Loop<2>& loop,
                const double* p);
  void (*binary)(Binary op, DType compute, const DType (&dtypes)[3], const Loop<3>& loop,
                 const double* p);
  void (*ternary)(Ternary op, DType compute, const DType (&dtypes)[4], const Loop<4>& loop,
                  const double* p);
  void (*copy)(const DType (&dtypes)[2], const Loop<2>& loop);  // also between dtypes
};

}  // namespace lamina::kernels

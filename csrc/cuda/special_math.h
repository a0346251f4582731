// digamma, polygamma and erfinv by the formulas of cpu/special_math.h, one value at a time and in double.
#pragma once

#include <math.h>

#include "cuda/launch.h"

namespace lamina::cuda::special {

constexpr double kPi = 3.14159265358979323846;

// c[0] + x (c[1] + x (...))
__device__ __forceinline__ double horner(double x, const double (&c)[8]) {
  double y = c[7];
  for (int i = 6; i >= 0; --i) y = y * x + c[i];
  return y;
}

// Wichura's normal quantile (AS 241).
__device__ __forceinline__ double erfinv(double x) {
#include "kernels/erfinv.inc"
  const double t = fabs(x);
  if (!(t < 1)) return t == 1 ? copysign(static_cast<double>(INFINITY), x) : NAN;
  const double central = 0.180625 - x * x * 0.25, tail = sqrt(-log((1 - t) * 0.5));
  const double quantile = t <= 0.85   ? t * 0.5 * horner(central, kA) / horner(central, kB)
                          : tail <= 5 ? horner(tail - 1.6, kC) / horner(tail - 1.6, kD)
                                      : horner(tail - 5, kE) / horner(tail - 5, kF);
  return copysign(quantile * 0.70710678118654752440, x);
}

// log x - 1 / (2 x) - sum of B_2k / (2k x^2k) from 10 on; below by steps of one.
LAMINA_INLINE double digamma(double x) {
  if (x == 0) return copysign(static_cast<double>(INFINITY), -x);
  if (isinf(x)) return x > 0 ? x : static_cast<double>(NAN);
  double result = 0;
  if (x < 0) {
    const double off = x - rint(x);
    if (off == 0) return NAN;
    result = -kPi / tan(kPi * off);
    x = 1 - x;
  }
  for (; x < 10; x += 1) result -= 1 / x;
  const double y = 1 / (x * x);
  const double series =
      y * (1.0 / 12 - y * (1.0 / 120 -
                           y * (1.0 / 252 -
                                y * (1.0 / 240 - y * (1.0 / 132 - y * (691.0 / 32760 - y / 12))))));
  return result + log(x) - 0.5 / x - series;
}

// sum over k >= 0 of (q + k)^-s, s > 1, by Euler and Maclaurin's formula.
__device__ __forceinline__ double zeta(double s, double q) {
  if (q <= 0 && q == floor(q)) return INFINITY;
  if (!(q > 9.0 - (1 << 20))) return NAN;
  double sum = 0;
  for (int k = 0; k < 9 || q < 9; ++k, q += 1) sum += pow(q, -s);
  const double power = pow(q, -s);
  sum += power * q / (s - 1) + 0.5 * power;
  // B_2k / (2k)!
  const double bernoulli[] = {8.3333333333333333e-02, -1.3888888888888889e-03,
                              3.3068783068783069e-05, -8.2671957671957672e-07,
                              2.0876756987868099e-08, -5.2841901386874932e-10,
                              1.3382536530684679e-11, -3.3896802963225829e-13,
                              8.5860620562778446e-15, -2.1748686985580619e-16};
  double factor = s * power / q;
  for (int k = 0; k < 10; ++k) {
    sum += bernoulli[k] * factor;
    factor *= (s + 2 * k + 1) * (s + 2 * k + 2) / (q * q);
  }
  return sum;
}

__device__ __forceinline__ double polygamma(int n, double x) {
  if (n == 1 && x < 0.5) {
    const double sine = sin(kPi * (x - rint(x)));
    return kPi * kPi / (sine * sine) - zeta(2, 1 - x);
  }
  double factorial = n % 2 ? 1 : -1;
  for (int k = 2; k <= n; ++k) factorial *= k;
  return isinf(x) && x > 0 ? 0 : factorial * zeta(n + 1, x);
}

}  // namespace lamina::cuda::special

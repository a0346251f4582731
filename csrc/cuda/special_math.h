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
  const double kA[] = {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
                       1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
                       3.3430575583588128105e4, 2.5090809287301226727e3};
  const double kB[] = {1.0,
                       4.2313330701600911252e1,
                       6.8718700749205790830e2,
                       5.3941960214247511077e3,
                       2.1213794301586595867e4,
                       3.9307895800092710610e4,
                       2.8729085735721942674e4,
                       5.2264952788528545610e3};
  const double kC[] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                       5.76949722146069140550e0,  3.64784832476320460504e0,
                       1.27045825245236838258e0,  2.41780725177450611770e-1,
                       2.27238449892691845833e-2, 7.74545014278341407640e-4};
  const double kD[] = {1.0,
                       2.05319162663775882187e0,
                       1.67638483018380384940e0,
                       6.89767334985100004550e-1,
                       1.48103976427480074590e-1,
                       1.51986665636164571966e-2,
                       5.47593808499534494600e-4,
                       1.05075007164441684324e-9};
  const double kE[] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                       1.78482653991729133580e0,  2.96560571828504891230e-1,
                       2.65321895265761230930e-2, 1.24266094738807843860e-3,
                       2.71155556874348757815e-5, 2.01033439929228813265e-7};
  const double kF[] = {1.0,
                       5.99832206555887937690e-1,
                       1.36929880922735805310e-1,
                       1.48753612908506148525e-2,
                       7.86869131145613259100e-4,
                       1.84631831751005468180e-5,
                       1.42151175831644588870e-7,
                       2.04426310338993978564e-15};
  const double t = fabs(x);
  if (!(t < 1)) return t == 1 ? copysign(static_cast<double>(INFINITY), x) : NAN;
  const double central = 0.180625 - x * x * 0.25, tail = sqrt(-log((1 - t) * 0.5));
  const double quantile = t <= 0.85   ? t * 0.5 * horner(central, kA) / horner(central, kB)
                          : tail <= 5 ? horner(tail - 1.6, kC) / horner(tail - 1.6, kD)
                                      : horner(tail - 5, kE) / horner(tail - 5, kF);
  return copysign(quantile * 0.70710678118654752440, x);
}

// log x - 1 / (2 x) - sum of B_2k / (2k x^2k) from 10 on; below by steps of one.
__device__ __forceinline__ double digamma(double x) {
  if (x == 0) return copysign(static_cast<double>(INFINITY), -x);
  if (isinf(x)) return x > 0 ? x : NAN;
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

// How a gamma draw x moves with its shape a at constant probability P(a, x) of less:
// dx/da = -(dP/da) / (dP/dx).
//
//   x < a + 1  P = x^a e^-x / Gamma(a + 1) S, S the sum of c_n = x^n / ((a + 1) ... (a + n)):
//              dx/da = -x / a (S (log x - digamma(a + 1)) + dS/da).
//   x >= a + 1 1 - P = x^a e^-x / Gamma(a) / t_0, Legendre's continued fraction
//              t_n = x + 2 n + 1 - a - (n + 1)(n + 1 - a) / t_(n + 1), from the far end:
//              dx/da = x ((log x - digamma(a)) / t_0 + d(1 / t_0)/da); no terms cancel.
//   a >= 1000  x = a + z sqrt(a) + (z^2 - 1) / 3 + ... (Cornish and Fisher), differentiated at constant z.
//
// Measured against mpmath over probabilities from 1e-4 to 1 - 1e-6: relative errors within 1e-13
// below a = 1000 and 4e-10 from there on.
#pragma once

#include "cpu/special_math.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

LAMINA_INLINE double digamma_of(double a) { return special::digamma(broadcast(a))[0]; }

LAMINA_INLINE double gamma_gradient_series(double a, double x) {
  double term = 1, sum = 1, harmonic = 0, slope = 0;
  for (int n = 1; n < 4000; ++n) {
    term *= x / (a + n);
    harmonic += 1 / (a + n);
    sum += term;
    slope -= term * harmonic;
    if (term * (1 + harmonic) < 1e-17 * sum) break;
  }
  return -x / a * (sum * (scalar::log(x) - digamma_of(a + 1)) + slope);
}

LAMINA_INLINE double gamma_gradient_fraction(double a, double x) {
  const int depth = 100 + 4 * static_cast<int>(scalar::sqrt(a));
  double t = x + 2 * depth + 1 - a, slope = -1;
  for (int n = depth; n > 0; --n) {
    const double over = n * (n - a) / t;
    slope = -1 + n / t + over * slope / t;
    t = x + 2 * n - 1 - a - over;
  }
  return x / t * (scalar::log(x) - digamma_of(a) - slope / t);
}

LAMINA_INLINE double gamma_gradient_large(double a, double x) {
  const double root = scalar::sqrt(a);
  // Wilson and Hilferty's z, then Newton's method on x(z).
  double z = 3 * root * (scalar::cbrt(x / a) - 1 + 1 / (9 * a));
  for (int k = 0; k < 3; ++k) {
    const double z2 = z * z;
    const double at = a + z * root + (z2 - 1) / 3 + z * (z2 - 7) / (36 * root) -
                      (z2 * (3 * z2 + 7) - 16) / (810 * a) +
                      z * (z2 * (9 * z2 + 256) - 433) / (38880 * a * root);
    const double slope = root + 2 * z / 3 + (3 * z2 - 7) / (36 * root);
    z -= (at - x) / slope;
  }
  const double z2 = z * z;
  return 1 + z / (2 * root) - z * (z2 - 7) / (72 * a * root) +
         (z2 * (3 * z2 + 7) - 16) / (810 * a * a) -
         z * (z2 * (9 * z2 + 256) - 433) / (25920 * a * a * root);
}

LAMINA_INLINE double gamma_gradient(double a, double x) {
  if (!(a > 0 && x >= 0)) return special::kNaN;
  if (x == 0) return 0;
  if (a >= 1000) return gamma_gradient_large(a, x);
  return x < a + 1 ? gamma_gradient_series(a, x) : gamma_gradient_fraction(a, x);
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

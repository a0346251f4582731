// The gradient of gamma draws, a register of them at a time: formulas in kernels/variate_grad.inc.
#pragma once

#include "cpu/special_math.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using special::V;

#include "kernels/variate_grad.inc"

LAMINA_INLINE V gamma_gradient(V a, V x) {
  const auto valid = (a > 0) & (x > 0), small = valid & (a < 1000), below = small & (x < a + 1);
  V result = x == 0 ? V{} : V{} + special::kNaN;
  if (!special::none(below))
    result = below ? gamma_gradient_series(below ? a : V{} + 1, below ? x : V{} + 1) : result;
  if (const auto above = small & ~below; !special::none(above)) {
    const V shape = above ? a : V{} + 1, at = above ? x : V{} + 9;
    double depth = 0;  // the fraction converges slower near x = 1, and with large shapes
    for (int i = 0; i < kLanes<double>; ++i) {
      const double wanted = 20 + 80 / at[i] + 4 * scalar::sqrt(shape[i]);
      depth = wanted > depth ? wanted : depth;
    }
    result = above ? gamma_gradient_fraction(shape, at, static_cast<int>(depth)) : result;
  }
  for (int i = 0; i < kLanes<double>; ++i)
    if (a[i] >= 1000 && x[i] > 0) result[i] = gamma_gradient_large(a[i], x[i]);
  return (a > 0) ? result : V{} + special::kNaN;
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

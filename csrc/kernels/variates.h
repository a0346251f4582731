// Draws from distributions whose parameters differ from element to element.  Element i depends on
// the key, its parameters and i alone: attempt a of its rejection sampler takes the Philox blocks
// i + (2 a) * 2^40 and i + (2 a + 1) * 2^40.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "core/random.h"

namespace lamina::kernels {

struct Draws {
  PhiloxKey key;
  DType dtype;  // of parameters and draws, float32 or float64
  int64_t n;
  const void *a, *b;  // parameters, (n) each, contiguous; b may be null
  void* out;          // (n)
};

// The samplers return whether every parameter was valid; a draw from an invalid one is NaN.
struct Variates {
  bool (*gamma)(const Draws& d);     // of shape a >= 0 and rate 1
  bool (*poisson)(const Draws& d);   // of rate a >= 0
  bool (*binomial)(const Draws& d);  // of a >= 0 trials, a whole number, with probability b
  // out[i] = d x / d a of a gamma draw x = b[i] of shape a[i], at constant probability of less.
  void (*gamma_grad)(const Draws& d);
};

}  // namespace lamina::kernels

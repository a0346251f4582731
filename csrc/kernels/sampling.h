// Draws from given weights, and permutations.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "core/random.h"

namespace lamina::kernels {

struct Multinomial {
  PhiloxKey key;
  int64_t rows, categories, samples;
  DType dtype;          // of the weights, float32 or float64
  const void* weights;  // (rows, categories), not normalised
  int64_t* out;         // (rows, samples)
  bool replacement;
};

enum class WeightError { none, negative, no_sum, too_few };  // negative: or not finite

struct Sampling {
  // out[i] = 1 with probability p[i]; returns whether every p lies in [0, 1].
  bool (*bernoulli)(PhiloxKey key, DType dtype, int64_t n, const void* p, void* out);
  void (*permutation)(PhiloxKey key, int64_t n, int64_t* out);  // of 0 ... n-1
  WeightError (*multinomial)(const Multinomial& m);  // the first in the list that any row has
};

}  // namespace lamina::kernels

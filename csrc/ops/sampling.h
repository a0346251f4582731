// Draws from given weights, and permutations.
#pragma once

#include "core/array.h"
#include "core/random.h"

namespace lamina::ops {

Array bernoulli(const Array& p, PhiloxKey key);  // ones and zeros of p's shape and dtype
Array randperm(int64_t n, PhiloxKey key);        // int64
// (categories) -> (samples), (rows, categories) -> (rows, samples); int64.
Array multinomial(const Array& weights, int64_t samples, bool replacement, PhiloxKey key);

}  // namespace lamina::ops

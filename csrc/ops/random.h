// Random draws.  A key comes from a generator and serves one call.
#pragma once

#include "core/array.h"
#include "core/random.h"

namespace lamina::ops {

// Fill `dst`, of any strides, in row-major order.
void uniform(const Array& dst, double low, double high, PhiloxKey key);  // [low, high)
void normal(const Array& dst, double mean, double std, PhiloxKey key);
void exponential(const Array& dst, double rate, PhiloxKey key);
void integers(const Array& dst, int64_t low, int64_t high, PhiloxKey key);  // low ... high - 1
void bernoulli(const Array& dst, double p, PhiloxKey key);

}  // namespace lamina::ops

// Draws from distributions whose parameters differ from element to element.
#pragma once

#include "core/array.h"
#include "core/random.h"

namespace lamina::ops {

Array standard_gamma(const Array& shape, PhiloxKey key);  // of rate 1
// d draw / d shape of draws of standard_gamma, both of one shape and dtype.
Array standard_gamma_grad(const Array& shape, const Array& draw);
Array poisson(const Array& rate, PhiloxKey key);
Array binomial(const Array& count, const Array& probability, PhiloxKey key);

}  // namespace lamina::ops

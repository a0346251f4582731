// Dropout, forward and (on the gradient, with the same key) backward.
#pragma once

#include "core/array.h"
#include "core/random.h"
#include "ops/elementwise.h"

namespace lamina::ops {

Array dropout(const Array& x, double p,
              PhiloxKey key);  // in x's memory order; the mask follows logical order

// dropout(f(x)) in one pass, in float32 or float64 on the CPU; and its gradient, `slope` giving f's from
// f's input.
Array activated_dropout(kernels::Unary f, const Array& x, const Parameters& parameters, double p,
                        PhiloxKey key);
Array activated_dropout_backward(kernels::Binary slope, const Array& grad, const Array& x,
                                 const Parameters& parameters, double p, PhiloxKey key);

}  // namespace lamina::ops

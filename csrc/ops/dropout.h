// Dropout, forward and (on the gradient, with the same key) backward.
#pragma once

#include "core/array.h"
#include "core/random.h"

namespace lamina::ops {

Array dropout(const Array& x, double p,
              PhiloxKey key);  // in x's memory order; the mask follows logical order

}  // namespace lamina::ops

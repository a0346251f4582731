// Dropout: out[i] = x[i] * m[i] / (1 - p), m[i] = 1 with probability 1 - p.
//
// The mask is a function of the key and of the element's logical (row-major) index, so the backward
// pass draws it again instead of storing it: it is the same call on the gradient.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "core/random.h"

namespace lamina::kernels {

struct Dropout {
  // x and out: (batch, channels, spatial) row-major, or (batch, spatial, channels) in memory if
  // channels_last.
  void (*apply)(PhiloxKey key, double p, DType dtype, int64_t batch, int64_t channels,
                int64_t spatial, bool channels_last, const void* x, void* out);
};

}  // namespace lamina::kernels

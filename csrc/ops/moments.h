// What a convolution has found of its result's channels (kernels/moments.h), for batch_norm.
#pragma once

#include "core/array.h"

namespace lamina::ops {

struct Moments {
  Array
      parts;  // float64 (channels, most parts, 2), of which the first channels * count * 2 are set
  int64_t count, rows;
};

}  // namespace lamina::ops

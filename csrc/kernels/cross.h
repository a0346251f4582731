// The cross product of 3-vectors.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "kernels/loop.h"

namespace lamina::kernels {

struct CrossProduct {
  Loop<3> vectors;       // out, a, b: where component 0 of each vector is
  int64_t component[3];  // from one component to the next of out, a, b, in elements
  DType dtype;           // float32, float64 or int64
};

struct Cross {
  void (*cross)(const CrossProduct& p);
};

}  // namespace lamina::kernels

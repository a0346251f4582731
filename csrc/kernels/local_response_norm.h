// Local response normalisation across the channels of x (outer, channels, inner) in that order of memory; channels-last
// memory has inner = 1.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lamina::kernels {

struct LocalResponseNormArgs {
  int64_t outer, channels, inner;
  DType dtype;
  int64_t size;  // channels in a window: size / 2 before a channel, (size - 1) / 2 behind it
  double alpha, beta, k;
  const void *x, *dy;  // dy: backward alone
  void* out;           // y, or dx
};

struct LocalResponseNorm {
  void (*forward)(const LocalResponseNormArgs& args);
  void (*backward)(const LocalResponseNormArgs& args);
};

}  // namespace lamina::kernels

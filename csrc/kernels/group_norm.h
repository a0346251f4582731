// Group normalisation: x (images, groups, channels, inner) in that order of memory, or channels-last (images, inner,
// groups, channels), where `channels` counts those of a group.  weight and bias are (groups * channels), or null for
// ones and zeros; statistics are (images, groups).  All of x's dtype.  Instance normalisation has one channel a group.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lamina::kernels {

struct GroupNormShape {
  int64_t images, groups, channels, inner;
  bool channels_last;
};

struct GroupNormForward {
  GroupNormShape shape;
  DType dtype;
  double eps;
  const void *x, *weight, *bias;
  void *y, *mean, *inv_std;
  void* var;  // biased; may be null
};

struct GroupNormBackward {
  GroupNormShape shape;
  DType dtype;
  const void *x, *dy, *weight, *mean, *inv_std;
  void *dx, *dweight, *dbias;  // dx may be null; the other two both or neither
};

struct GroupNorm {
  void (*forward)(const GroupNormForward& args);
  void (*backward)(const GroupNormBackward& args);
};

}  // namespace lamina::kernels

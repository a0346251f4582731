// What a convolution has found of its result's channels (kernels/moments.h), for batch_norm.
#pragma once

#include <memory>

#include "core/array.h"
#include "kernels/moments.h"

namespace lamina::ops {

struct Moments {
  Array parts;  // float64 (channels, most parts, 2): memory for them
  // Written by the kernel's launcher, and again whenever a recorded call is repeated: who records keeps
  // this as long.
  std::shared_ptr<kernels::Moments> found;
};

}  // namespace lamina::ops

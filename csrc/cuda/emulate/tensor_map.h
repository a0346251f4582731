// What the emulator's cuTensorMapEncodeTiled leaves in a CUtensorMap.
#pragma once

#include <cuda.h>

namespace lamina::cuda::emulate {

struct TensorMap {  // 16-bit elements, 128-byte swizzle
  const char* data;
  uint64_t size[3], stride[2];  // strides in bytes
  uint32_t box[3], rank;
};
static_assert(sizeof(TensorMap) <= sizeof(CUtensorMap));

}  // namespace lamina::cuda::emulate

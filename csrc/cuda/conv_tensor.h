// Implicit GEMM on tensor cores, compiled a dtype a file: conv_tf32.cu, conv_bfloat16.cu,
// conv_float16.cu; chosen in conv_implicit.cu.
//
// mma.sync reaches about half of Hopper's rate: 400 TFLOP/s of 16-bit floats, 200 of TF32.  A tile of
// 128 x 128 by 64 bytes of depth is 16 KB from L2 for 1 MFLOP of 16-bit floats, so that L2 is as near
// a bound as the tensor cores; layers with few channels are bound by the bytes of their activations.  A
// 3 x 3 layer of 64 channels on 32 images of 56 x 56 is 7.4 GFLOP a pass: 18 us of 16-bit floats, 37 of
// TF32, where its activations, 26 and 51 MB, take 6 and 12 us at the 4.3 TB/s that an H200 copies.
// Compiled and emulated, not yet run on a device.
#pragma once

#include "cuda/conv_implicit.h"
#include "cuda/gemm_mma.h"

namespace lamina::cuda {

extern template struct ImplicitConv<MmaCores, float>;
extern template struct ImplicitConv<MmaCores, bfloat16>;
extern template struct ImplicitConv<MmaCores, float16>;

}  // namespace lamina::cuda

// Implicit GEMM on tensor cores by mma.sync, about half of Hopper's rate: 400 TFLOP/s of 16-bit
// floats, 200 of TF32.  A tile of 128 x 128 by 64 bytes of depth is 16 KB from L2 for 1 MFLOP of
// 16-bit floats, so that L2 is as near a bound as the tensor cores; layers with few channels are
// bound by the bytes of their activations.
#include "cuda/conv_tensor.h"

namespace lamina::cuda {

template struct ImplicitConv<MmaCores, float>;
template struct ImplicitConv<MmaCores, bfloat16>;
template struct ImplicitConv<MmaCores, float16>;

}  // namespace lamina::cuda

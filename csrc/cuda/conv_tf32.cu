// Implicit GEMM of float32 rounded to TF32 on tensor cores; conv_tensor.h says what bounds it.
#include "cuda/conv_tensor.h"

namespace lamina::cuda {

template struct ImplicitConv<MmaCores, float>;

}  // namespace lamina::cuda

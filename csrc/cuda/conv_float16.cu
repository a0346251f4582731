// Implicit GEMM of float16 on tensor cores; conv_tensor.h says what bounds it.
#include "cuda/conv_tensor.h"

namespace lamina::cuda {

template struct ImplicitConv<MmaCores, float16>;

}  // namespace lamina::cuda

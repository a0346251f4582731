// Implicit GEMM on tensor cores: compiled in conv_tensor.cu, chosen in conv_implicit.cu.
#pragma once

#include "cuda/conv_implicit.h"
#include "cuda/gemm_mma.h"

namespace lamina::cuda {

extern template struct ImplicitConv<MmaCores, float>;
extern template struct ImplicitConv<MmaCores, bfloat16>;
extern template struct ImplicitConv<MmaCores, float16>;

}  // namespace lamina::cuda

// Matrix products on tensor cores.
#pragma once

#include "kernels/matmul.h"

namespace lamina::cuda {

// Of bfloat16 or float16, or of float32 rounded to TF32.
void multiply_on_tensor_cores(const kernels::MatrixProduct& product);

}  // namespace lamina::cuda

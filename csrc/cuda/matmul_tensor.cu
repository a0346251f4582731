// Matrix products on tensor cores by mma.sync, which reaches about half of Hopper's rate: 400
// TFLOP/s of bfloat16, 200 of TF32.  A tile of 128 x 128 by 64 bytes of depth is 16 KB from L2 for
// 1 MFLOP (bfloat16): at that rate 6.2 TB/s, near what L2 gives, so that the bound is shared by
// both.  Compiled and emulated, not yet run on a device.
#include "cuda/gemm_mma.h"
#include "cuda/matmul_hopper.h"
#include "cuda/matmul_problem.h"
#include "cuda/matmul_tensor.h"

namespace lamina::cuda {

void multiply_on_tensor_cores(const kernels::MatrixProduct& product) {
  if (multiply_on_hopper(product)) return;
  switch (product.dtype) {
    case DType::bfloat16:
      return multiply_matrices<MmaCores, bfloat16>(product);
    case DType::float16:
      return multiply_matrices<MmaCores, float16>(product);
    default:
      multiply_matrices<MmaCores, float>(product);
  }
}

}  // namespace lamina::cuda

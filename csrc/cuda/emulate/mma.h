// The meaning of the tensor cores' warp instructions (cuda/mma.h), fragments as in the PTX ISA.
#pragma once

#include <cstdint>

namespace lamina::cuda::emulate {

enum class MmaType { tf32, bf16, f16 };

// d (16 x 8) += a (16 x k) b (k x 8), k 8 for tf32 and 16 for the others; sums in float32.
void mma(MmaType type, float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);

// Four 8 x 8 matrices of 16-bit elements: lane 8 i + r brings the address of row r of matrix i.
void load_matrices(uint32_t (&to)[4], const void* row, bool transposed);

}  // namespace lamina::cuda::emulate

// Descriptions of matrices in global memory for the copy engine of sm_90 (TMA), and its copies.
#pragma once

#include <cuda.h>

#include "core/dtype.h"
#include "cuda/mbarrier.h"

namespace lamina::cuda {

// A stack of matrices of 16-bit floats.  Elements of a line lie together; lines and matrices are
// strides apart.
struct MatrixStack {
  const void* data;
  int64_t elements, lines, matrices;
  int64_t line_stride, matrix_stride;  // in elements
};

// Whether the copy engine can read it: 16-byte addresses and strides, sizes that are ints.
bool can_be_mapped(const MatrixStack& stack);

// For copies of boxes of 64 elements (128 bytes) by `lines`, at most 256, of one matrix.
CUtensorMap tensor_map(DType dtype, const MatrixStack& stack, int lines);

// The box from (element, line, matrix) on, to 128 bytes a line of shared memory aligned to 1024,
// where chunk c (16 bytes) of line l lies at chunk c ^ l % 8; zeros for what is outside the matrix.
// One thread starts it; it ends as bytes of the barrier, which mbarrier_expect() has announced.
__device__ __forceinline__ void copy_box(void* shared, const CUtensorMap& map, Mbarrier* barrier,
                                         int element, int line, int matrix) {
#if defined(LAMINA_EMULATE)
  emulate::copy_box(shared, map, barrier, {element, line, matrix});
#elif LAMINA_SM90_CODE
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      " [%0], [%1, {%3, %4, %5}], [%2];"
      :
      : "r"(shared_address(shared)), "l"(&map), "r"(shared_address(barrier)), "r"(element),
        "r"(line), "r"(matrix)
      : "memory");
#endif
}

}  // namespace lamina::cuda

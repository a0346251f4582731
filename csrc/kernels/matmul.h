// Matrix products: C[i] (m, n) = init[i] + A[i] (m, k) * B[i] (k, n) for every i of a batch.
#pragma once

#include "core/dtype.h"
#include "kernels/loop.h"

namespace lamina::kernels {

struct MatrixProduct {
  // Of all operands: float32, float64, or an integer type (exact, modulo its range); on CUDA also
  // bfloat16 and float16, summed in float32.
  DType dtype;
  int64_t m, n, k;
  Loop<4> batch;  // of C, A, B, init; init's data is null where it is zero
  int64_t c_row;  // strides in elements; C's columns lie together
  int64_t a_row, a_col;
  int64_t b_row, b_col;
  int64_t init_row;  // 0: one row for all, as a bias
  int64_t init_col;  // 0 or 1
};

struct Matmul {
  void (*multiply)(const MatrixProduct& product);
  // Does `rounds` rounds of independent multiply-adds on registers alone and returns how many
  // floating-point operations that was: timed, the peak that no product of this dtype (float32,
  // float64) can pass on one core.
  int64_t (*multiply_registers)(DType dtype, int64_t rounds);
};

}  // namespace lamina::kernels

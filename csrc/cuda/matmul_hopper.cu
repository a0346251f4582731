// Matrix products of 16-bit floats on Hopper, both operands by the copy engine: gemm_wgmma.h says
// what bounds them.  Operands that it can't read, of odd strides or addresses, and batches of
// several dimensions are left to mma.sync (matmul_tensor.cu).  Compiled and emulated, not yet run
// on a device.
#include "cuda/gemm_wgmma.h"
#include "cuda/matmul_hopper.h"
#include "cuda/matmul_problem.h"

namespace lamina::cuda {
namespace {

template <class T>
bool multiply(const kernels::MatrixProduct& product) {
  MatmulBatch<T> batch(product);
  const auto& loop = product.batch;
  if (loop.rank > 1) return false;
  MatmulProblem<T>& p = batch.problem;
  const auto stack = [&](int operand, bool along_depth, int64_t sides, int64_t stride) {
    const int64_t apart = loop.strides[operand][0];
    return MatrixStack{loop.data[operand],
                       along_depth ? product.k : sides,
                       along_depth ? sides : product.k,
                       apart == 0 ? 1 : batch.matrices,
                       stride,
                       apart};
  };
  const MatrixStack a =
      stack(1, batch.a_along_depth, product.m, batch.a_along_depth ? product.a_row : product.a_col);
  const MatrixStack b =
      stack(2, !batch.b_along_side, product.n, batch.b_along_side ? product.b_row : product.b_col);
  const bool together = (batch.a_along_depth ? product.a_col : product.a_row) == 1 &&
                        (batch.b_along_side ? product.b_col : product.b_row) == 1;
  if (!together || !can_be_mapped(a) || !can_be_mapped(b)) return false;
  p.a_each = a.matrices > 1;
  p.b_each = b.matrices > 1;
  batch.visit_orders([&](auto a_order, auto b_order) {
    visit_wgmma_columns(batch.matrices, product.m, product.n, [&](auto columns) {
      using Core = WgmmaCore<T, a_order(), b_order(), columns()>;
      p.a_map = tensor_map(product.dtype, a, Core::A::kLines);
      p.b_map = tensor_map(product.dtype, b, Core::B::kLines);
      launch_wgmma<Core>(p, batch.matrices, product.m, product.n, product.k);
    });
  });
  return true;
}

}  // namespace

bool multiply_on_hopper(const kernels::MatrixProduct& product) {
  if (!on_sm90()) return false;
  if (product.dtype == DType::bfloat16) return multiply<bfloat16>(product);
  return product.dtype == DType::float16 && multiply<float16>(product);
}

}  // namespace lamina::cuda

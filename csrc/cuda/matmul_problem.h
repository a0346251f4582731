// Products of a batch of strided matrices for the main loop of gemm.h.
#pragma once

#include "cuda/gemm.h"
#include "cuda/gemm_boxes.h"
#include "cuda/gemm_matrix.h"
#include "cuda/gemm_output.h"
#include "cuda/strides.h"
#include "kernels/matmul.h"

namespace lamina::cuda {

struct MatrixPlace {
  int64_t row;

  __device__ __forceinline__ int64_t row_offset(int64_t r) const { return r * row; }
  __device__ __forceinline__ int64_t column_offset(int64_t column) const { return column; }
};

template <class T>
struct MatmulProblem {
  int64_t m, n, k;
  Places batch;
  Strides stride[4];  // of C, A, B, init from matrix to matrix
  MatrixOperand<T> a, b;
  Output<T, MatrixPlace> c;
  // For Hopper's loop: A and B of all matrices, and whether they are one for each.
  CUtensorMap a_map, b_map;
  bool a_each, b_each;

  class Part {
   public:
    __device__ Part(const MatmulProblem& p, unsigned z) : problem_(p), z_(z), a_(p.a), b_(p.b) {
      a_.data += offset_of(z, p.batch, p.stride[1]);
      b_.data += offset_of(z, p.batch, p.stride[2]);
    }

    __device__ int64_t rows() const { return problem_.m; }
    __device__ int64_t depth() const { return problem_.k; }
    template <class Core>
    __device__ auto loader_a(int64_t row, int64_t begin, int64_t end) const {
      if constexpr (Core::kWgmma)
        return BoxLoader<typename Core::A>(problem_.a_map, row, begin, problem_.a_each ? z_ : 0);
      else
        return MatrixLoader<typename Core::A, Core::kLoaders>(a_, row, problem_.m, begin, end);
    }
    template <class Core>
    __device__ auto loader_b(int64_t column, int64_t begin, int64_t end) const {
      if constexpr (Core::kWgmma)
        return BoxLoader<typename Core::B>(problem_.b_map, column, begin, problem_.b_each ? z_ : 0);
      else
        return MatrixLoader<typename Core::B, Core::kLoaders>(b_, column, problem_.n, begin, end);
    }
    __device__ auto output() const {
      Output<T, MatrixPlace> out = problem_.c;
      out.data += offset_of(z_, problem_.batch, problem_.stride[0]);
      if (out.finish.init) out.finish.init += offset_of(z_, problem_.batch, problem_.stride[3]);
      return out;
    }

   private:
    const MatmulProblem& problem_;
    unsigned z_;
    MatrixOperand<T> a_, b_;
  };
};

// A batch of products, and what lies together in its operands.
template <class T>
struct MatmulBatch {
  MatmulProblem<T> problem{};
  int64_t matrices = 1;
  bool a_along_depth, b_along_side;

  explicit MatmulBatch(const kernels::MatrixProduct& product)
      // A vector has two strides that nobody uses; its elements may lie together along either.
      : a_along_depth(product.a_col == 1 && (product.k > 1 || product.a_row != 1)),
        b_along_side(product.b_col == 1 && (product.n > 1 || product.b_row != 1)) {
    const auto& batch = product.batch;
    for (int d = 0; d < batch.rank; ++d) matrices *= batch.shape[d];
    const auto aligned = [&](int operand, int64_t together, int64_t apart) {
      bool wide = MatrixOperand<T>::can_be_wide(batch.data[operand], together, apart);
      for (int d = 0; d < batch.rank; ++d)
        wide &= batch.shape[d] == 1 || batch.strides[operand][d] % kChunk<T> == 0;
      return wide;
    };
    const auto data = [&](int operand) { return static_cast<T*>(batch.data[operand]); };
    MatmulProblem<T>& p = problem;
    p.m = product.m;
    p.n = product.n;
    p.k = product.k;
    p.batch = Places(batch.rank, batch.shape);
    for (int o = 0; o < 4; ++o) p.stride[o] = Strides(batch.rank, batch.strides[o]);
    p.a = {data(1), product.a_row, product.a_col,
           a_along_depth ? aligned(1, product.a_col, product.a_row)
                         : aligned(1, product.a_row, product.a_col)};
    p.b = {data(2), product.b_col, product.b_row,
           b_along_side ? aligned(2, product.b_col, product.b_row)
                        : aligned(2, product.b_row, product.b_col)};
    p.c = {data(0),
           {product.c_row},
           {data(3), product.init_row, product.init_col, nullptr, false},
           product.n % kChunk<T> == 0 && aligned(0, 1, product.c_row)};
  }

  // run(std::integral_constant of the order of A, of B).
  template <class F>
  void visit_orders(F run) const {
    const auto of = [&](auto a) {
      if (b_along_side) return run(a, std::integral_constant<Order, Order::side>());
      run(a, std::integral_constant<Order, Order::depth>());
    };
    if (a_along_depth) return of(std::integral_constant<Order, Order::depth>());
    of(std::integral_constant<Order, Order::side>());
  }
};

// Multiplies with cores of template `Cores<T, order of A, order of B>`.
template <template <class, Order, Order> class Cores, class T>
void multiply_matrices(const kernels::MatrixProduct& product) {
  const MatmulBatch<T> batch(product);
  const auto& p = batch.problem;
  batch.visit_orders(
      [&](auto a, auto b) { launch_tiles<Cores<T, a(), b()>>(p, batch.matrices, p.m, p.n, p.k); });
}

}  // namespace lamina::cuda

// Matrix products: C = init + A B for every matrix of a batch, operands of any strides.
//
// Floats go through the main loop of gemm.h.  Strict float32 is bound by its multiply-adds (60 TFLOP/s
// of FFMA; a tile of 128 x 128 reads 16 KB from L2 for 0.5 MFLOP) where m, n and k are some hundreds;
// by the bytes of the larger operand where one of m and n is small: below some 30 rows, tiles are
// mostly empty and multiply zeros.  TF32, where it is allowed, and 16-bit floats: matmul_tensor.cu.
//
// Integers: a block makes 64 x 64 of C from tiles in shared memory, a thread 4 x 4 of it in
// registers; exact, modulo the element's range.  Compiled and emulated, not yet run on a device.
#include "core/cuda.h"
#include "cuda/gemm_simt.h"
#include "cuda/matmul_problem.h"
#include "cuda/matmul_tensor.h"
#include "cuda/missing.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using kernels::MatrixProduct;

constexpr int kTile = 64, kDepth = 16, kMicro = 4, kSide = kTile / kMicro, kThreads = kSide * kSide;
constexpr unsigned kMostBatches = 65535;  // of a grid's third dimension

// What products are summed in.
template <class T>
struct Sum {
  using Type = T;
};
template <>
struct Sum<uint8_t> {
  using Type = int32_t;
};
template <>
struct Sum<int8_t> {
  using Type = int32_t;
};

struct Arguments {
  int64_t m, n, k, c_row, a_row, a_col, b_row, b_col, init_row, init_col;
  Places batch;
  Strides stride[4];  // of C, A, B, init from matrix to matrix
  unsigned first;     // matrix of this launch
};

// Two blocks a multiprocessor: left to choose, the compiler takes more, and spills.
template <class T>
__global__ void __launch_bounds__(kThreads, 2)
    multiply_kernel(const Arguments p, T* c, const T* a, const T* b, const T* init) {
  using S = typename Sum<T>::Type;
  LAMINA_SHARED(S, a_tile, [kDepth][kTile + 1]);  // transposed: a column of A lies together
  LAMINA_SHARED(S, b_tile, [kDepth][kTile + 1]);
  const unsigned matrix = p.first + blockIdx.z;
  c += offset_of(matrix, p.batch, p.stride[0]);
  a += offset_of(matrix, p.batch, p.stride[1]);
  b += offset_of(matrix, p.batch, p.stride[2]);
  const int64_t row0 = int64_t{blockIdx.y} * kTile, col0 = int64_t{blockIdx.x} * kTile;
  const int tx = threadIdx.x % kSide, ty = threadIdx.x / kSide;

  S sum[kMicro][kMicro] = {};
  for (int64_t k0 = 0; k0 < p.k; k0 += kDepth) {
    for (int i = threadIdx.x; i < kTile * kDepth; i += kThreads) {
      // Neighbouring threads read along whichever dimension of the operand lies together.
      const int along = i % kDepth, across = i / kDepth, x = i % kTile, depth = i / kTile;
      const bool a_rows = p.a_col == 1, b_columns = p.b_col == 1;
      const int ar = a_rows ? across : x, ak = a_rows ? along : depth;
      const int bc = b_columns ? x : across, bk = b_columns ? depth : along;
      a_tile[ak][ar] = row0 + ar < p.m && k0 + ak < p.k
                           ? static_cast<S>(a[(row0 + ar) * p.a_row + (k0 + ak) * p.a_col])
                           : S(0);
      b_tile[bk][bc] = col0 + bc < p.n && k0 + bk < p.k
                           ? static_cast<S>(b[(k0 + bk) * p.b_row + (col0 + bc) * p.b_col])
                           : S(0);
    }
    __syncthreads();
    for (int k = 0; k < kDepth; ++k) {
      S av[kMicro], bv[kMicro];
      for (int i = 0; i < kMicro; ++i) av[i] = a_tile[k][ty + i * kSide];
      for (int j = 0; j < kMicro; ++j) bv[j] = b_tile[k][tx + j * kSide];
      for (int i = 0; i < kMicro; ++i)
        for (int j = 0; j < kMicro; ++j) sum[i][j] += av[i] * bv[j];
    }
    __syncthreads();
  }

  const T* from = init ? init + offset_of(matrix, p.batch, p.stride[3]) : nullptr;
  for (int i = 0; i < kMicro; ++i)
    for (int j = 0; j < kMicro; ++j) {
      const int64_t row = row0 + ty + i * kSide, col = col0 + tx + j * kSide;
      if (row >= p.m || col >= p.n) continue;
      const S start = from ? static_cast<S>(from[row * p.init_row + col * p.init_col]) : S(0);
      c[row * p.c_row + col] = static_cast<T>(start + sum[i][j]);
    }
}

// Unsigned, so that sums wrap as they should.
template <class F>
void visit_integer(DType dtype, F f) {
  switch (dtype) {
    case DType::int64:
      return f(uint64_t{});
    case DType::int32:
      return f(uint32_t{});
    case DType::int8:
      return f(int8_t{});
    default:
      return f(uint8_t{});
  }
}

void multiply_integers(const MatrixProduct& product) {
  Arguments p;
  p.m = product.m;
  p.n = product.n;
  p.k = product.k;
  p.c_row = product.c_row;
  p.a_row = product.a_row;
  p.a_col = product.a_col;
  p.b_row = product.b_row;
  p.b_col = product.b_col;
  p.init_row = product.init_row;
  p.init_col = product.init_col;
  const auto& batch = product.batch;
  p.batch = Places(batch.rank, batch.shape);
  for (int o = 0; o < 4; ++o) p.stride[o] = Strides(batch.rank, batch.strides[o]);
  int64_t matrices = 1;
  for (int d = 0; d < batch.rank; ++d) matrices *= batch.shape[d];
  const dim3 tiles(blocks_for(product.n, kTile), blocks_for(product.m, kTile));
  visit_integer(product.dtype, [&](auto tag) {
    using T = decltype(tag);
    for (int64_t first = 0; first < matrices; first += kMostBatches) {
      p.first = static_cast<unsigned>(first);
      const int64_t left = matrices - first;
      const auto count = static_cast<unsigned>(left < kMostBatches ? left : kMostBatches);
      launch(&multiply_kernel<T>, dim3(tiles.x, tiles.y, count), kThreads, 0, stream(), p,
             static_cast<T*>(batch.data[0]), static_cast<const T*>(batch.data[1]),
             static_cast<const T*>(batch.data[2]), static_cast<const T*>(batch.data[3]));
    }
  });
}

void multiply(const MatrixProduct& product) {
  switch (product.dtype) {
    case DType::float64:
      return multiply_matrices<SimtCores, double>(product);
    case DType::float32:
      if (matmul_allows_tf32) return multiply_on_tensor_cores(product);
      return multiply_matrices<SimtCores, float>(product);
    case DType::bfloat16:
    case DType::float16:
      return multiply_on_tensor_cores(product);
    default:
      multiply_integers(product);
  }
}

}  // namespace

LAMINA_CUDA_KERNELS(Matmul, matmul){&multiply, missing<"matmul.multiply_registers">};

}  // namespace lamina::cuda

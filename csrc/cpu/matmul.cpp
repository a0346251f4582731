// Matrix products.  Bound by FLOPs from 128^3 on (gemm.h: on one AVX-512 core 86 to 91 % of the
// multiply-add peak for squares of 128 to 2048), by reading the larger matrix once where m or n is
// at most eight (gemv.h), by the call itself below 16^3.
#include "kernels/matmul.h"

#include <type_traits>

#include "cpu/gemm.h"
#include "cpu/gemv.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::MatrixProduct;

template <class T>
struct Operands {
  T* c;
  const T *a, *b, *init;
};

template <class T>
void multiply_real(const MatrixProduct& p, const Operands<T>& o) {
  const Strided<T> a{o.a, p.a_row, p.a_col}, b{o.b, p.b_col, p.b_row};
  if (takes_gemv(p.m, p.n, p.k, b))
    gemv<T>(p.m, p.n, p.k, a, b, {o.c, p.c_row, 1, o.init, p.init_row, p.init_col});
  else if (takes_gemv(p.n, p.m, p.k, a))
    gemv<T>(p.n, p.m, p.k, b, a, {o.c, 1, p.c_row, o.init, p.init_col, p.init_row});
  else
    gemm<T>(p.m, p.n, p.k, a, b, {o.c, p.c_row, o.init, p.init_row, p.init_col});
}

// Exact modulo the type's range: in unsigned arithmetic, whose overflow is defined.
template <class T>
void multiply_integer(const MatrixProduct& p, const Operands<T>& o) {
  parallel_for(p.m, larger(1, kTaskFlops / 16 / larger(1, p.n * p.k)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   T* c = o.c + i * p.c_row;
                   for (int64_t j = 0; j < p.n; ++j)
                     c[j] = o.init ? o.init[i * p.init_row + j * p.init_col] : T(0);
                   for (int64_t q = 0; q < p.k; ++q) {
                     const T x = o.a[i * p.a_row + q * p.a_col];
                     const T* b = o.b + q * p.b_row;
                     for (int64_t j = 0; j < p.n; ++j)
                       c[j] = static_cast<T>(c[j] + x * b[j * p.b_col]);
                   }
                 }
               });
}

// f(T{}) with the type that computes a dtype.
template <class F>
LAMINA_INLINE void visit_computed(DType dtype, const F& f) {
  switch (dtype) {
    case DType::float64:
      return f(double{});
    case DType::uint8:
    case DType::int8:
      return f(uint8_t{});
    case DType::int32:
      return f(uint32_t{});
    case DType::int64:
      return f(uint64_t{});
    default:
      return f(float{});
  }
}

template <class T>
Operands<T> operands_of(const MatrixProduct& p, int64_t index) {
  int64_t offset[4] = {};
  for (int d = p.batch.rank - 1; index > 0; --d) {
    const int64_t at = index % p.batch.shape[d];
    index /= p.batch.shape[d];
    for (int o = 0; o < 4; ++o) offset[o] += at * p.batch.strides[o][d];
  }
  T* const* data = reinterpret_cast<T* const*>(p.batch.data);
  return {data[0] + offset[0], data[1] + offset[1], data[2] + offset[2],
          data[3] ? data[3] + offset[3] : nullptr};
}

void multiply(const MatrixProduct& p) {
  visit_computed(p.dtype, [&](auto tag) {
    using T = decltype(tag);
    int64_t count = 1;
    for (int d = 0; d < p.batch.rank; ++d) count *= p.batch.shape[d];
    const auto range = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        if constexpr (std::is_floating_point_v<T>)
          multiply_real<T>(p, operands_of<T>(p, i));
        else
          multiply_integer<T>(p, operands_of<T>(p, i));
      }
    };
    // Many small products are dealt out whole; a few large ones are each cut up.
    const int64_t flops = larger(1, 2 * p.m * p.n * p.k);
    if (count >= 16 || flops < kTaskFlops)
      parallel_for(count, larger(1, kTaskFlops / flops), range);
    else
      range(0, count);
  });
}

int64_t multiply_registers(DType dtype, int64_t rounds) {
  int64_t operations = 0;
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    constexpr int kChains = 12;  // more than latency times throughput of any multiply-add unit
    Vec<T> sum[kChains] = {}, x = broadcast(T(1)), y = broadcast(T(0.5));
    for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
      for (int i = 0; i < kChains; ++i) {
        sum[i] += x * y;
        asm volatile("" : "+v"(sum[i]));  // keeps every round and every chain
      }
    }
    operations = 2 * rounds * kChains * kLanes<T>;
  });
  return operations;
}

}  // namespace

LAMINA_CPU_KERNELS(Matmul, matmul){&multiply, &multiply_registers};

}  // namespace lamina::cpu::LAMINA_ISA

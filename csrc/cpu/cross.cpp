// out = a x b: out_i = a_j b_k - a_k b_j for (i, j, k) each rotation of (0, 1, 2).
//
// Vectors side by side are computed side by side: the compiler vectorises over them where the
// components are not the innermost dimension.  Bound by bytes.
#include "kernels/cross.h"

#include "cpu/loop.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::CrossProduct;

template <class T>
LAMINA_INLINE void cross_row(const CrossProduct& p, const Row<3>& row, int64_t so, int64_t sa,
                             int64_t sb) {
  T* out = row.as<T>(0);
  const T* a = row.as<const T>(1);
  const T* b = row.as<const T>(2);
  const int64_t co = p.component[0], ca = p.component[1], cb = p.component[2];
  for (int64_t i = 0; i < row.n; ++i, out += so, a += sa, b += sb) {
    const T a0 = a[0], a1 = a[ca], a2 = a[2 * ca], b0 = b[0], b1 = b[cb], b2 = b[2 * cb];
    out[0] = a1 * b2 - a2 * b1;
    out[co] = a2 * b0 - a0 * b2;
    out[2 * co] = a0 * b1 - a1 * b0;
  }
}

template <class T>
void multiply(const CrossProduct& p) {
  for_each_row<3>(p.vectors, {sizeof(T), sizeof(T), sizeof(T)}, [&](const Row<3>& row) {
    if (row.stride[0] == 1 && row.stride[1] == 1 && row.stride[2] == 1)
      cross_row<T>(p, row, 1, 1, 1);
    else
      cross_row<T>(p, row, row.stride[0], row.stride[1], row.stride[2]);
  });
}

void multiply_vectors(const CrossProduct& p) {
  if (p.dtype == DType::float32) return multiply<float>(p);
  if (p.dtype == DType::float64) return multiply<double>(p);
  multiply<uint64_t>(p);  // integers wrap
}

}  // namespace

LAMINA_CPU_KERNELS(Cross, cross){&multiply_vectors};

}  // namespace lamina::cpu::LAMINA_ISA

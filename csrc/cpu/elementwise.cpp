// Elementwise ops: out[i] = f(a[i], b[i], ...) in one pass over strided operands; bound by bytes.
#include "cpu/convert.h"
#include "cpu/copy.h"
#include "cpu/loop.h"
#include "cpu/rowops.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::Loop;

void unary(kernels::Unary op, DType compute, const DType (&dtypes)[2], const Loop<2>& loop,
           const double* p) {
  map<2>(loop, dtypes, unary_op(op, compute), p);
}

void binary(kernels::Binary op, DType compute, const DType (&dtypes)[3], const Loop<3>& loop,
            const double* p) {
  map<3>(loop, dtypes, binary_op(op, compute), p);
}

void ternary(kernels::Ternary op, DType compute, const DType (&dtypes)[4], const Loop<4>& loop,
             const double* p) {
  map<4>(loop, dtypes, ternary_op(op, compute), p);
}

void copy(const DType (&dtypes)[2], const Loop<2>& loop) {
  const int64_t out_size = itemsize(dtypes[0]), in_size = itemsize(dtypes[1]);
  if (writes_zeros(loop, in_size))
    return for_each_row(loop, {out_size, in_size}, [&](const Row<2>& row) {
      __builtin_memset(row.data[0], 0, static_cast<size_t>(row.n * out_size));
    });
  if (dtypes[0] == dtypes[1] &&
      (copies_transposed<uint32_t>(loop, out_size) || copies_transposed<uint64_t>(loop, out_size)))
    return;
  const Converter function = converter(dtypes[1], dtypes[0]);
  for_each_row(loop, {out_size, in_size}, [&](const Row<2>& row) {
    function(row.data[0], row.stride[0], row.data[1], row.stride[1], row.n);
  });
}

}  // namespace

LAMINA_CPU_KERNELS(Elementwise, elementwise){&unary, &binary, &ternary, &copy};

}  // namespace lamina::cpu::LAMINA_ISA

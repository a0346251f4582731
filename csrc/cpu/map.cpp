// The driver of elementwise kernels, and the strided copy between dtypes.  Bound by bytes.
#include "cpu/map.h"

#include "cpu/convert.h"
#include "cpu/loop.h"

namespace lamina::cpu::LAMINA_ISA {

template <int N>
void map(const kernels::Loop<N>& loop, const DType (&dtypes)[N], const RowOp<N>& op,
         const double* p) {
  int64_t size[N];
  Converter in[N] = {}, out = nullptr;
  bool staged = false;
  for (int k = 0; k < N; ++k) {
    size[k] = itemsize(dtypes[k]);
    const int64_t stride = loop.strides[k][loop.rank - 1];
    if (dtypes[k] == op.types[k] && (stride == 1 || loop.shape[loop.rank - 1] == 1)) continue;
    staged = true;
    if (k == 0)
      out = converter(op.types[0], dtypes[0]);
    else
      in[k] = converter(dtypes[k], op.types[k]);
  }
  if (!staged) {
    for_each_row(loop, size, [&](const Row<N>& row) { op.run(row.data, row.n, p); });
    return;
  }
  for_each_row(loop, size, [&](const Row<N>& row) {
    alignas(64) char buffer[N][kStagedRow * 8];
    char* data[N];
    for (int64_t i = 0; i < row.n; i += kStagedRow) {
      const int64_t n = row.n - i < kStagedRow ? row.n - i : kStagedRow;
      for (int k = 0; k < N; ++k) {
        char* place = row.data[k] + i * row.stride[k] * size[k];
        const bool direct = k == 0 ? out == nullptr : in[k] == nullptr;
        data[k] = direct ? place : buffer[k];
        if (k > 0 && !direct && (row.stride[k] != 0 || i == 0))
          in[k](buffer[k], 1, place, row.stride[k], n);
      }
      op.run(data, n, p);
      if (out) out(row.data[0] + i * row.stride[0] * size[0], row.stride[0], buffer[0], 1, n);
    }
  });
}

template void map<2>(const kernels::Loop<2>&, const DType (&)[2], const RowOp<2>&, const double*);
template void map<3>(const kernels::Loop<3>&, const DType (&)[3], const RowOp<3>&, const double*);
template void map<4>(const kernels::Loop<4>&, const DType (&)[4], const RowOp<4>&, const double*);

}  // namespace lamina::cpu::LAMINA_ISA

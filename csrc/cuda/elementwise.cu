// Elementwise ops: out[i] = f(a[i], b[i], ...) in one pass over strided operands.  Bound by bytes,
// of each operand once: a sum of two float32 arrays moves 12 an element, 360 elements a nanosecond
// at the 4.3 TB/s that an H200 copies; its 132 multiprocessors start 30,000 instructions of a
// thread in that time, 80 an element before arithmetic counts.  Compiled and emulated, not yet run
// on a device.
#include "cuda/maps.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using kernels::Loop;

template <class T>
struct Copy {
  static __device__ __forceinline__ T apply(const double*, T x) { return x; }
};

void unary(kernels::Unary op, DType compute, const DType (&dtypes)[2], const Loop<2>& loop,
           const double* p) {
  const Map<2> m = unary_map(op, compute);
  map<2>(m.kernel, m.types, loop, dtypes, p);
}

void binary(kernels::Binary op, DType compute, const DType (&dtypes)[3], const Loop<3>& loop,
            const double* p) {
  const Map<3> m = binary_map(op, compute);
  map<3>(m.kernel, m.types, loop, dtypes, p);
}

void ternary(kernels::Ternary op, DType compute, const DType (&dtypes)[4], const Loop<4>& loop,
             const double* p) {
  const Map<4> m = ternary_map(op, compute);
  map<4>(m.kernel, m.types, loop, dtypes, p);
}

// Elements are read as the output's type.
void copy(const DType (&dtypes)[2], const Loop<2>& loop) {
  visit(dtypes[0], [&](auto tag) {
    using T = decltype(tag);
    map<2>(&map_kernel<Copy<T>, T, T>, {dtypes[0], dtypes[0]}, loop, dtypes, nullptr);
  });
}

}  // namespace

LAMINA_CUDA_KERNELS(Elementwise, elementwise){&unary, &binary, &ternary, &copy};

}  // namespace lamina::cuda

// What the host does before an elementwise kernel: finds out whether its operands are packed, and
// converts numbers among them once.  It has no kernel; the launch moves each operand once, as
// binary.cu counts.  Compiled and emulated, not yet run on a device.
#include "cuda/loops.h"
#include "cuda/map.h"

namespace lamina::cuda {
namespace {

bool packs_as(DType type, DType dtype) {
  return visit(type, [&](auto tag) { return packs<decltype(tag)>(dtype); });
}

template <int N>
bool is_packed(const MapArguments<N>& a, const kernels::Loop<N>& loop, const DType (&types)[N]) {
  if (loop.rank != 1) return false;
  for (int k = 0; k < N; ++k) {
    if (a.numbers >> k & 1) continue;
    const bool dense = loop.strides[k][0] == 1 || loop.shape[0] == 1;
    if (!dense || !packs_as(types[k], a.dtypes[k]) || !aligned_for_packs(a.data[k], a.dtypes[k]))
      return false;
  }
  return true;
}

uint64_t convert_number(const void* from, DType from_type, DType to_type) {
  uint64_t bits = 0;
  visit(from_type, [&](auto from_tag) {
    visit(to_type, [&](auto to_tag) {
      *reinterpret_cast<decltype(to_tag)*>(&bits) =
          convert<decltype(to_tag)>(*static_cast<const decltype(from_tag)*>(from));
    });
  });
  return bits;
}

template <int N>
void launch_loop(MapKernel<N> kernel, const DType (&types)[N], MapArguments<N>& a,
                 const kernels::Loop<N>& loop) {
  a.n = 1;
  a.rank = loop.rank;
  for (int d = 0; d < loop.rank; ++d) a.n *= loop.shape[d];
  for (int k = 0; k < N; ++k) {
    a.data[k] = loop.data[k];
    for (int d = 0; d < loop.rank; ++d) a.strides[k][d] = loop.strides[k][d];
  }
  for (int d = 0; d < loop.rank; ++d) a.shape[d] = Divisor(loop.shape[d]);
  a.packed = is_packed(a, loop, types);
  const int64_t threads = a.packed ? a.n / kPack + a.n % kPack : a.n;
  launch(kernel, blocks_for(threads, kMapThreads), kMapThreads, 0, stream(), a);
}

}  // namespace

template <int N>
void map(MapKernel<N> kernel, const DType (&types)[N], const kernels::Loop<N>& loop,
         const DType (&dtypes)[N], const double* p) {
  MapArguments<N> a{};
  a.numbers = loop.numbers;
  for (int k = 0; k < N; ++k) {
    a.dtypes[k] = dtypes[k];
    if (loop.numbers >> k & 1) a.number[k] = convert_number(loop.data[k], dtypes[k], types[k]);
  }
  if (p)
    for (int i = 0; i < 3; ++i) a.p[i] = p[i];
  int64_t bytes[N];
  for (int k = 0; k < N; ++k) bytes[k] = static_cast<int64_t>(itemsize(dtypes[k]));
  for_parts(loop, bytes,
            [&](const kernels::Loop<N>& part) { launch_loop(kernel, types, a, part); });
}

template void map<2>(MapKernel<2>, const DType (&)[2], const kernels::Loop<2>&, const DType (&)[2],
                     const double*);
template void map<3>(MapKernel<3>, const DType (&)[3], const kernels::Loop<3>&, const DType (&)[3],
                     const double*);
template void map<4>(MapKernel<4>, const DType (&)[4], const kernels::Loop<4>&, const DType (&)[4],
                     const double*);

}  // namespace lamina::cuda

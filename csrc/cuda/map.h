// The driver of elementwise kernels: out[i] = F::apply(p, a[i], b[i], ...) over operands of any
// strides and dtypes.
//
// A kernel is compiled once an op and type that it computes in.  Where all operands lie packed, in
// that type or as 16-bit floats, each thread moves four neighbours by loads and stores of up to 128
// bits.  Elsewhere a thread finds its element by dividing its index by the sizes, and converts from
// any dtype on the way.  Bound by bytes.
#pragma once

#include <utility>

#include "cuda/convert.h"
#include "cuda/divide.h"
#include "kernels/loop.h"

namespace lamina::cuda {

inline constexpr int kMapThreads = 256;
// A multiprocessor: left to choose, the compiler takes more for functions of float64, and spills.
inline constexpr int kMapBlocks = 4;

template <int N>
struct MapArguments {
  int64_t n;  // elements
  bool packed;
  int rank;
  Divisor shape[kernels::kMaxLoopRank];
  int64_t strides[N][kernels::kMaxLoopRank];
  void* data[N];
  DType dtypes[N];
  unsigned numbers;    // operands that are `number` everywhere
  uint64_t number[N];  // in the type that the kernel takes
  double p[3];
};

template <int N>
using MapKernel = void (*)(MapArguments<N>);

// Launches `kernel`, which takes operands of `types`, on a loop of `dtypes`.  Parameters may be null.
template <int N>
void map(MapKernel<N> kernel, const DType (&types)[N], const kernels::Loop<N>& loop,
         const DType (&dtypes)[N], const double* p);

extern template void map<2>(MapKernel<2>, const DType (&)[2], const kernels::Loop<2>&,
                            const DType (&)[2], const double*);
extern template void map<3>(MapKernel<3>, const DType (&)[3], const kernels::Loop<3>&,
                            const DType (&)[3], const double*);
extern template void map<4>(MapKernel<4>, const DType (&)[4], const kernels::Loop<4>&,
                            const DType (&)[4], const double*);

// ---- on the device

template <class T, int N>
__device__ __forceinline__ T map_number(const MapArguments<N>& a, int operand) {
  return *reinterpret_cast<const T*>(&a.number[operand]);
}

template <class T, int N>
__device__ __forceinline__ Pack<T> map_load_pack(const MapArguments<N>& a, int operand, int64_t i) {
  if (!(a.numbers >> operand & 1)) return load_pack<T>(a.data[operand], a.dtypes[operand], i);
  Pack<T> same;
  for (int k = 0; k < kPack; ++k) same.v[k] = map_number<T>(a, operand);
  return same;
}

template <class T, int N>
__device__ __forceinline__ T map_load(const MapArguments<N>& a, int operand, int64_t offset) {
  if (a.numbers >> operand & 1) return map_number<T>(a, operand);
  return load<T>(a.data[operand], a.dtypes[operand], offset);
}

template <class F, class R, class... In>
__device__ __forceinline__ Pack<R> map_apply(const double* p, const Pack<In>&... in) {
  Pack<R> out;
  for (int k = 0; k < kPack; ++k) out.v[k] = F::apply(p, in.v[k]...);
  return out;
}

template <class F, class R, class... In, int... operand>
__device__ __forceinline__ void map_thread(const MapArguments<1 + sizeof...(In)>& a,
                                           std::integer_sequence<int, operand...>) {
  constexpr int kOperands = 1 + static_cast<int>(sizeof...(In));
  const int64_t thread = int64_t{blockIdx.x} * kMapThreads + threadIdx.x;
  int64_t offset[kOperands] =
      {};  // of one element: packed ones that fill no pack, or any strided one
  if (a.packed) {
    const int64_t whole = a.n / kPack, rest = thread - whole;
    if (rest < 0)
      return store_pack<R>(
          a.data[0], a.dtypes[0], thread,
          map_apply<F, R, In...>(a.p, map_load_pack<In>(a, operand + 1, thread)...));
    if (rest >= a.n % kPack) return;
    for (int k = 0; k < kOperands; ++k) offset[k] = whole * kPack + rest;
  } else {
    if (thread >= a.n) return;
    unsigned rest = static_cast<unsigned>(thread);
    for (int d = a.rank - 1; d >= 0; --d) {
      const unsigned next = a.shape[d].quotient(rest), at = rest - next * a.shape[d].value;
      for (int k = 0; k < kOperands; ++k) offset[k] += at * a.strides[k][d];
      rest = next;
    }
  }
  store<R>(a.data[0], a.dtypes[0], offset[0],
           F::apply(a.p, map_load<In>(a, operand + 1, offset[operand + 1])...));
}

// The kernel of F, which has `static __device__ R apply(const double* p, In... x)`.
template <class F, class R, class... In>
__global__ void __launch_bounds__(kMapThreads, kMapBlocks)
    map_kernel(const MapArguments<1 + sizeof...(In)> a) {
  map_thread<F, R, In...>(a, std::make_integer_sequence<int, sizeof...(In)>());
}

}  // namespace lamina::cuda

// Elementwise kernels: a function on contiguous rows of one element type, applied to a loop of any
// strides and dtypes.
//
// An operand whose row does not lie as the function wants it (strided, broadcast, another dtype)
// goes through a buffer of kStagedRow elements that stays in the L1 cache.  So each op is compiled
// once an element type, and casts, broadcasts and strides cost no pass over memory.
#pragma once

#include "cpu/vec.h"
#include "kernels/loop.h"

namespace lamina::cpu::LAMINA_ISA {

inline constexpr int64_t kStagedRow = 1024;

// data[0][i] = f(data[1][i], ...) for i < n.
using RowMap = void (*)(char* const* data, int64_t n, const double* p);

template <int N>
struct RowOp {
  RowMap run;
  DType types[N];  // what `run` reads and writes; [0] is the output
};

template <int N>
void map(const kernels::Loop<N>& loop, const DType (&dtypes)[N], const RowOp<N>& op,
         const double* p);

extern template void map<2>(const kernels::Loop<2>&, const DType (&)[2], const RowOp<2>&,
                            const double*);
extern template void map<3>(const kernels::Loop<3>&, const DType (&)[3], const RowOp<3>&,
                            const double*);
extern template void map<4>(const kernels::Loop<4>&, const DType (&)[4], const RowOp<4>&,
                            const double*);

// A row function from f(T...) -> R, in a plain loop that the compiler vectorises.
template <class R, class T, int inputs, class F>
RowMap scalars(F) {
  return [](char* const* data, int64_t n, const double* p) {
    R* out = reinterpret_cast<R*>(data[0]);
    const T* a = reinterpret_cast<const T*>(data[1]);
    const F f{};
    if constexpr (inputs == 1) {
#pragma GCC ivdep
      for (int64_t i = 0; i < n; ++i) out[i] = f(a[i], p);
    } else if constexpr (inputs == 2) {
      const T* b = reinterpret_cast<const T*>(data[2]);
#pragma GCC ivdep
      for (int64_t i = 0; i < n; ++i) out[i] = f(a[i], b[i], p);
    } else {
      const T* b = reinterpret_cast<const T*>(data[2]);
      const T* c = reinterpret_cast<const T*>(data[3]);
#pragma GCC ivdep
      for (int64_t i = 0; i < n; ++i) out[i] = f(a[i], b[i], c[i], p);
    }
  };
}

// A row function from f(Vec<T>...) -> Vec<T>; the last, partial vector is padded with ones.
template <class T, int inputs, class F>
RowMap vectors(F) {
  return [](char* const* data, int64_t n, const double* p) {
    constexpr int64_t L = kLanes<T>;
    const F f{};
    const auto apply = [&](T* out, const T* a, [[maybe_unused]] const T* b,
                           [[maybe_unused]] const T* c) {
      if constexpr (inputs == 1) store(out, f(load(a), p));
      if constexpr (inputs == 2) store(out, f(load(a), load(b), p));
      if constexpr (inputs == 3) store(out, f(load(a), load(b), load(c), p));
    };
    T* out = reinterpret_cast<T*>(data[0]);
    const T* in[3] = {};
    for (int k = 0; k < inputs; ++k) in[k] = reinterpret_cast<const T*>(data[k + 1]);
    int64_t i = 0;
    for (; i + L <= n; i += L) apply(out + i, in[0] + i, in[1] + i, in[2] + i);
    if (i == n) return;
    T padded[3][L];
    for (int k = 0; k < inputs; ++k) {
      store(padded[k], broadcast(T(1)));
      __builtin_memcpy(padded[k], in[k] + i, static_cast<size_t>(n - i) * sizeof(T));
    }
    apply(padded[0], padded[0], padded[1], padded[2]);
    __builtin_memcpy(out + i, padded[0], static_cast<size_t>(n - i) * sizeof(T));
  };
}

}  // namespace lamina::cpu::LAMINA_ISA

// The sum of exponentials in one pass (Milakov and Gimelshein, arXiv:1805.02867): with the maximum so
// far, to which the sum refers.
#pragma once

#include <math.h>

#include "cuda/rows.h"

namespace lamina::cuda {

template <class T>
struct SumExp {
  T top, sum;  // sum of exp(x - top)

  static __device__ __forceinline__ SumExp none() { return {-static_cast<T>(INFINITY), 0}; }

  __device__ __forceinline__ SumExp plus(SumExp other) const {
    const T new_top = top > other.top ? top : other.top;
    return {new_top, sum * scale(top, new_top) + other.sum * scale(other.top, new_top)};
  }

 private:
  // Equal infinities must not make NaN of parts that have no elements.
  static __device__ __forceinline__ T scale(T from, T to) {
    return from == to ? T(1) : exp(from - to);
  }
};

template <class T, int lanes>
__device__ __forceinline__ SumExp<T> row_sum_exp(const Row<lanes>& row, const T* x) {
  SumExp<T> state = SumExp<T>::none();
  row.each([&](int64_t, int64_t at) { state = state.plus({x[at], 1}); });
  return row.reduce(state, [](SumExp<T> a, SumExp<T> b) { return a.plus(b); });
}

}  // namespace lamina::cuda

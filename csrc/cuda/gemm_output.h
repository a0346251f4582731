// What happens to the sums of a matrix product on their way to memory.
#pragma once

#include "cuda/convert.h"
#include "cuda/gemm_tile.h"

namespace lamina::cuda {

// out = sum + init + residual, held between the bounds.
template <class T>
struct Finish {
  using Bound = std::conditional_t<std::is_same_v<T, double>, double, float>;

  const T* init = nullptr;  // null: zero
  int64_t init_row = 0, init_column = 0;
  const T* residual = nullptr;  // lies as the output does
  bool bounded = false;
  Bound low = 0, high = 0;

  template <class Sum>
  __device__ __forceinline__ T apply(Sum sum, int64_t row, int64_t column, int64_t offset) const {
    if (init) sum += convert<Sum>(init[row * init_row + column * init_column]);
    if (residual) sum += convert<Sum>(residual[offset]);
    if (!bounded) return convert<T>(sum);
    const Sum least = static_cast<Sum>(low), most = static_cast<Sum>(high);
    return convert<T>(sum < least ? least : sum > most ? most : sum);  // NaN stays
  }
};

// Neighbouring columns, stored at once.
template <class T, int n>
struct alignas(sizeof(T) * n) Run {
  T v[n];
};

// Element (row, column) lies at place.row_offset(row) + place.column_offset(column).
template <class T, class Place>
struct Output {
  T* data;
  Place place;
  Finish<T> finish;
  bool wide;  // columns lie together, and every fourth of any row is aligned for a run of four

  __device__ __forceinline__ int64_t row_offset(int64_t row) const { return place.row_offset(row); }

  template <int run, class Sum>
  __device__ __forceinline__ void store(int64_t row, int64_t row_offset, int64_t column,
                                        int64_t columns, const Sum* sums) const {
    if (run > 1 && wide) {  // then runs are whole
      const int64_t at = row_offset + place.column_offset(column);
      Run<T, run> values;
      LAMINA_UNROLL
      for (int e = 0; e < run; ++e) values.v[e] = finish.apply(sums[e], row, column + e, at + e);
      *reinterpret_cast<Run<T, run>*>(data + at) = values;
      return;
    }
    LAMINA_UNROLL
    for (int e = 0; e < run; ++e) {
      if (column + e >= columns) return;
      const int64_t at = row_offset + place.column_offset(column + e);
      data[at] = finish.apply(sums[e], row, column + e, at);
    }
  }
};

}  // namespace lamina::cuda

// Rows of neighbouring elements that 1, 32 or 256 neighbouring threads share: row r of (outer, n,
// inner) holds the elements at base + k * inner.
#pragma once

#include "cuda/reduce.h"

namespace lamina::cuda {

// A kernel bound to two blocks a multiprocessor may use 128 registers; without a bound ptxas saves
// them for more blocks, and some kernels then spill.
inline constexpr int kRowThreads = 256;

struct Rows {
  int64_t count, n, inner;
};

// Many threads where a row lies together; one where neighbouring rows do.
inline int row_lanes(const Rows& rows) {
  if (rows.inner > 1 || rows.n <= 8) return 1;
  return rows.n <= 1024 ? static_cast<int>(kWarpSize) : kRowThreads;
}

inline unsigned row_blocks(const Rows& rows, int lanes) {
  return blocks_for(rows.count, kRowThreads / lanes);
}

// A thread's part of a row.
template <int lanes>
struct Row {
  int64_t index, base;
  int64_t first, n, inner;  // elements first, first + lanes, ...
  bool exists;

  __device__ explicit Row(const Rows& rows)
      : index(int64_t{blockIdx.x} * (kRowThreads / lanes) + threadIdx.x / lanes),
        base(index / rows.inner * rows.n * rows.inner + index % rows.inner),
        first(threadIdx.x % lanes),
        n(rows.n),
        inner(rows.inner),
        exists(index < rows.count) {}

  __device__ bool leads() const { return exists && first == 0; }

  // body(k, offset) for this thread's elements; nothing where there is no such row.
  template <class F>
  __device__ __forceinline__ void each(F body) const {
    if (!exists) return;
    for (int64_t k = first; k < n; k += lanes) body(k, base + k * inner);
  }

  // combine(a, b) over the row; every thread of the row gets the result.
  template <class T, class F>
  __device__ __forceinline__ T reduce(T value, F combine) const {
    if constexpr (lanes == kRowThreads) {
      LAMINA_SHARED(T, warps, [kRowThreads / kWarpSize]);
      __syncthreads();  // the last use of `warps` is over
      value = block_reduce<kRowThreads>(value, warps, combine);
    } else if constexpr (lanes == kWarpSize) {
      value = warp_reduce(value, combine);
    }
    return value;
  }

  template <class T>
  __device__ __forceinline__ T sum(T value) const {
    return reduce(value, [](T a, T b) { return a + b; });
  }
};

// launch_rows(rows, [](auto lanes) { return &kernel<decltype(lanes)::value>; }, arguments...)
template <int lanes>
struct Lanes {
  static constexpr int value = lanes;
};

template <class Kernel, class... A>
void launch_rows(const Rows& rows, Kernel kernel, const A&... arguments) {
  const int lanes = row_lanes(rows);
  const unsigned blocks = row_blocks(rows, lanes);
  if (lanes == 1)
    launch(kernel(Lanes<1>()), blocks, kRowThreads, 0, stream(), rows, arguments...);
  else if (lanes == kWarpSize)
    launch(kernel(Lanes<kWarpSize>()), blocks, kRowThreads, 0, stream(), rows, arguments...);
  else
    launch(kernel(Lanes<kRowThreads>()), blocks, kRowThreads, 0, stream(), rows, arguments...);
}

}  // namespace lamina::cuda

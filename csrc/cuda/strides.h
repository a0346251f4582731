// Where element i of a strided array of few dimensions lies.
#pragma once

#include "cuda/divide.h"
#include "kernels/loop.h"

namespace lamina::cuda {

// One index into up to kMaxLoopRank dimensions, the last running fastest; sizes multiply to less
// than 2^31.
struct Places {
  int rank;
  Divisor shape[kernels::kMaxLoopRank];

  Places() = default;
  Places(int dims, const int64_t* sizes) : rank(dims) {
    for (int d = 0; d < dims; ++d) shape[d] = Divisor(sizes[d]);
  }
};

struct Strides {
  int64_t at[kernels::kMaxLoopRank];

  Strides() = default;
  Strides(int rank, const int64_t* strides) {
    for (int d = 0; d < rank; ++d) at[d] = strides[d];
  }
};

__device__ __forceinline__ int64_t offset_of(unsigned i, const Places& places,
                                             const Strides& strides) {
  if (places.rank == 1) return i * strides.at[0];
  int64_t offset = 0;
  for (int d = places.rank - 1; d >= 0; --d) {
    const unsigned next = places.shape[d].quotient(i);
    offset += (i - next * places.shape[d].value) * strides.at[d];
    i = next;
  }
  return offset;
}

}  // namespace lamina::cuda

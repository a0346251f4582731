// What the files of this family share: positions on the device, and rows as wider elements.
#pragma once

#include "cuda/check_range.h"
#include "cuda/convert.h"
#include "kernels/indexing.h"

namespace lamina::cuda {

// indexing_scatter.cu
void scatter_elements(const kernels::Scatter& s);

// indexing_mask.cu
void count_set(const uint8_t* mask, int64_t n, int64_t* counts);
void list_set(const uint8_t* mask, int rank, const int64_t* shape, const int64_t* weight,
              const int64_t* starts, int64_t* out, int64_t stride);
int64_t prefix_sums(const int64_t* counts, int64_t n, int64_t* starts);
void repeat_positions(const int64_t* counts, const int64_t* starts, int64_t n, int64_t* out);

// Where positions lead, as an argument of kernels.
struct Steps {
  RangeCheck check;
  bool are_places;
  int64_t low, size, scale;

  explicit Steps(const kernels::Positions& p)
      : check(range_check(p.op ? p.op : "")),
        are_places(p.op == nullptr),
        low(p.low),
        size(p.size),
        scale(p.scale) {}

  // False where the position is out of range; that is recorded then.
  __device__ __forceinline__ bool place(int64_t position, int64_t* elements) const {
    if (!are_places) {
      if (!in_range(check, position, low, size)) return false;
      if (position < 0) position += size;
    }
    *elements = position * scale;
    return true;
  }
};

using Quad = Pack<uint32_t>;  // 16 bytes

// Makes elements that lie together, two operands' along the innermost dimension, one of up to 16
// bytes; gives its size.
inline size_t widen(size_t itemsize, kernels::Loop<3>& loop, int64_t& scale) {
  const int last = loop.rank - 1;
  if (loop.strides[0][last] != 1 || loop.strides[1][last] != 1 || loop.strides[2][last] != 0)
    return itemsize;
  const auto fits = [&](size_t wide) {
    const auto by = static_cast<int64_t>(wide / itemsize);
    bool all = loop.shape[last] % by == 0 && scale % by == 0;
    for (int k = 0; k < 2; ++k) {
      all &= reinterpret_cast<uintptr_t>(loop.data[k]) % wide == 0;
      for (int d = 0; d < last; ++d) all &= loop.strides[k][d] % by == 0;
    }
    return all;
  };
  size_t wide = sizeof(Quad);
  while (wide > itemsize && !fits(wide)) wide /= 2;
  const auto by = static_cast<int64_t>(wide / itemsize);
  loop.shape[last] /= by;
  scale /= by;
  for (int k = 0; k < 2; ++k)
    for (int d = 0; d < last; ++d) loop.strides[k][d] /= by;
  return wide;
}

// f(T{}) with a type of that many bytes.
template <class F>
void visit_size(size_t itemsize, F f) {
  switch (itemsize) {
    case 1:
      return f(uint8_t{});
    case 2:
      return f(uint16_t{});
    case 4:
      return f(uint32_t{});
    case 8:
      return f(uint64_t{});
    default:
      return f(Quad{});
  }
}

}  // namespace lamina::cuda

// Walks a kernels::Loop: cuts it into rows along the innermost dimension, in parallel where there
// is enough to do.
#pragma once

#include "core/parallel.h"
#include "cpu/vec.h"
#include "kernels/loop.h"

namespace lamina::cpu::LAMINA_ISA {

inline constexpr int64_t kLoopGrain =
    16384;  // elements a chunk: some 5 us of arithmetic out of the L2 cache

// Pointer and innermost stride (in elements) of each operand for one row.
template <int N>
struct Row {
  char* data[N];
  int64_t stride[N];
  int64_t n;

  template <class T>
  LAMINA_INLINE T* as(int k) const {
    return reinterpret_cast<T*>(data[k]);
  }
};

template <int N>
using RowFunction = void (*)(const Row<N>& row, const void* context);

// Kept out of line: one copy a number of operands, however many ops and dtypes use it.
template <int N>
[[gnu::noinline]] void walk(const kernels::Loop<N>& loop, const int64_t (&size)[N],
                            RowFunction<N> function, const void* context) {
  const int last = loop.rank - 1;
  const int64_t inner = loop.shape[last];
  int64_t rows = 1;
  for (int d = 0; d < last; ++d) rows *= loop.shape[d];
  if (rows == 0 || inner == 0) return;
  const int64_t block = inner < kLoopGrain ? inner : kLoopGrain;
  const int64_t blocks = (inner + block - 1) / block;
  parallel_for(rows * blocks, kLoopGrain / block, [&](int64_t begin, int64_t end) {
    int64_t position[kernels::kMaxLoopRank], offset[N] = {};
    int64_t rest = begin / blocks, piece = begin % blocks;
    for (int d = last - 1; d >= 0; --d) {
      position[d] = rest % loop.shape[d];
      rest /= loop.shape[d];
      for (int k = 0; k < N; ++k) offset[k] += position[d] * loop.strides[k][d];
    }
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t start = piece * block;
      Row<N> row;
      row.n = inner - start < block ? inner - start : block;
      for (int k = 0; k < N; ++k) {
        row.stride[k] = loop.strides[k][last];
        row.data[k] =
            static_cast<char*>(loop.data[k]) + (offset[k] + start * row.stride[k]) * size[k];
      }
      function(row, context);
      if (++piece < blocks) continue;
      piece = 0;
      for (int d = last - 1; d >= 0; --d) {  // the next row
        for (int k = 0; k < N; ++k) offset[k] += loop.strides[k][d];
        if (++position[d] < loop.shape[d]) break;
        for (int k = 0; k < N; ++k) offset[k] -= loop.strides[k][d] * loop.shape[d];
        position[d] = 0;
      }
    }
  });
}

// body(Row<N>) for every row; size[k] is the item size of operand k.
template <int N, class Body>
LAMINA_INLINE void for_each_row(const kernels::Loop<N>& loop, const int64_t (&size)[N],
                                const Body& body) {
  walk<N>(
      loop, size,
      [](const Row<N>& row, const void* context) { (*static_cast<const Body*>(context))(row); },
      &body);
}

}  // namespace lamina::cpu::LAMINA_ISA

// The product of a step: some rows of a state, or of gates' gradients, times packed panels of the recurrent weights.
//
// A register tile (microkernel.h) takes up to kTileRows rows and two vectors of columns; its panel is read once a tile
// of rows, from L2.  One row alone would wait for the latency of its few multiply-adds: it takes all vectors of several
// panels at once, so that L2's bandwidth bounds it.  Either way each number is one sum over the depths in order.
#pragma once

#include "cpu/microkernel.h"

namespace lamina::cpu::LAMINA_ISA {

// Where a tile's vectors go: element (i, j) = init + product.
template <class T>
struct RnnTarget {
  T* c;
  int64_t c_row;
  const T* init;
  int64_t init_row;
};

// Brings rows of `length` elements near.
template <class T>
LAMINA_INLINE void fetch_rows(const T* data, int64_t stride, int64_t rows, int64_t length) {
  constexpr int64_t kLine = 64 / sizeof(T);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t q = 0; q < length; q += kLine) __builtin_prefetch(data + r * stride + q);
}

// `vectors` of a panel's Vectors; vectors 2 i and 2 i + 1 go side by side.
template <class T, int Vectors>
LAMINA_INLINE void multiply_rnn_rows(int rows, int64_t depth, const T* a, int64_t a_row,
                                     const T* panel, int vectors,
                                     const RnnTarget<T> (&to)[Vectors]) {
  constexpr int L = kLanes<T>;
  for (int v = 0; v < vectors; v += 2) {
    const int width = v + 1 < vectors ? 2 : 1;
    multiply_tile(TileTask<T>{depth, a, a_row, 1, panel + v * L, Vectors * L, to[v].c, to[v].c_row,
                              to[v].init, to[v].init_row, 1, rows, width * L});
  }
}

// One row, `Panels` panels of `size` elements each.
template <class T, int Panels, int Vectors>
LAMINA_INLINE void multiply_rnn_row(int64_t depth, const T* a, const T* panel, int64_t size,
                                    const RnnTarget<T> (&to)[Panels][Vectors]) {
  constexpr int L = kLanes<T>;
  Vec<T> sum[Panels][Vectors] = {};
  for (int64_t p = 0; p < depth; ++p, panel += Vectors * L) {
    const Vec<T> x = broadcast(a[p]);
#pragma GCC unroll 8
    for (int q = 0; q < Panels; ++q)
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) sum[q][v] += x * load(panel + q * size + v * L);
  }
#pragma GCC unroll 8
  for (int q = 0; q < Panels; ++q)
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v)
      store(to[q][v].c, to[q][v].init ? sum[q][v] + load(to[q][v].init) : sum[q][v]);
}

}  // namespace lamina::cpu::LAMINA_ISA

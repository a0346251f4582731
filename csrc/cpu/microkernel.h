// The register tile of the matrix multiply: C (rows, cols) = init + A (rows, depth) * B (depth,
// cols), rows <= kTileRows, cols <= kTileCols.  Every C element has its own lane of an accumulator;
// one step of the depth loop loads a row of B and broadcasts one element of A per row, so that on
// AVX-512 16 loads feed 28 FMAs (14 x 32, the loop runs at the FMA peak with its operands in
// cache).  There is one instance per number of rows: an odd remainder costs what it computes.
#pragma once

#include "cpu/vec.h"

namespace lamina::cpu::LAMINA_ISA {

#if defined(__AVX512F__)
inline constexpr int kTileRows = 14;  // 28 accumulators, 2 of B, 1 of A, of 32 registers
#elif defined(__AVX2__)
inline constexpr int kTileRows = 6;  // 12 accumulators, 2 of B, 1 of A, of 16 registers
#else
inline constexpr int kTileRows = 4;  // 8 accumulators; without FMA a product needs a register, too
#endif
inline constexpr int kTileVectors = 2;
template <class T>
inline constexpr int kTileCols = kTileVectors * kLanes<T>;

template <class T>
struct TileTask {
  int64_t depth;
  const T* a;  // element (i, p) at a[i * a_row + p * a_depth]; one of the two strides is 1
  int64_t a_row, a_depth;
  // Element (p, j) at b[p * b_depth + j], readable up to the full width of the vectors that cover
  // cols.
  const T* b;
  int64_t b_depth;
  T* c;  // element (i, j) at c[i * c_row + j]
  int64_t c_row;
  // Element (i, j) at init[i * init_row + j * init_col], init_col 0 or 1; null: zero.
  const T* init;
  int64_t init_row, init_col;
  int rows, cols;
};

// The rare tiles: narrower than their vectors, or with an init that does not run along the row.
template <class T>
[[gnu::noinline]] void finish_from_memory(const TileTask<T>& t, const T* sum, int sum_row) {
  for (int i = 0; i < t.rows; ++i) {
    const T* s = sum + i * sum_row;
    T* c = t.c + i * t.c_row;
    if (!t.init) {
      for (int j = 0; j < t.cols; ++j) c[j] = s[j];
      continue;
    }
    const T* init = t.init + i * t.init_row;
    if (t.init_col == 1)
      for (int j = 0; j < t.cols; ++j) c[j] = s[j] + init[j];
    else
      for (int j = 0; j < t.cols; ++j) c[j] = s[j] + *init;
  }
}

// kUnitRows: a_row is 1 (a packed panel, or a column-major A read in place); otherwise a_depth
// is 1.
template <class T, int Rows, int Vectors, bool kUnitRows>
void multiply_tile(const TileTask<T>& t) {
  constexpr int L = kLanes<T>;
  constexpr int kAhead = 8;       // rows of B fetched ahead of use
  constexpr int kBeforeEnd = 24;  // depths before the end at which C is fetched
  Vec<T> sum[Rows][Vectors];
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) sum[i][v] = Vec<T>{};
  }
  const T* a = t.a;
  const T* b = t.b;
  const int64_t a_row = t.a_row, a_depth = t.a_depth, b_depth = t.b_depth;
  for (int64_t p = t.depth; p > 0; --p) {
    if (p == kBeforeEnd) {
#pragma GCC unroll 16
      for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 2
        for (int v = 0; v < Vectors; ++v) __builtin_prefetch(t.c + i * t.c_row + v * L, 1);
    }
    Vec<T> row[Vectors];
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) {
      row[v] = load(b + v * L);
      __builtin_prefetch(b + kAhead * b_depth + v * L);
    }
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const Vec<T> x = broadcast(kUnitRows ? a[i] : a[i * a_row]);
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) sum[i][v] += x * row[v];
    }
    a += kUnitRows ? a_depth : 1;
    b += b_depth;
  }
  if (t.cols != Vectors * L || (t.init && t.init_col == 0)) {
    alignas(kVectorBytes) T spilled[Rows * Vectors * L];
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) store(spilled + (i * Vectors + v) * L, sum[i][v]);
    return finish_from_memory(t, spilled, Vectors * L);
  }
  T* c = t.c;
  const T* init = t.init;
  if (!init) {
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i, c += t.c_row)
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) store(c + v * L, sum[i][v]);
    return;
  }
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i, c += t.c_row, init += t.init_row)
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) store(c + v * L, sum[i][v] + load(init + v * L));
}

template <class T>
using TileFunction = void (*)(const TileTask<T>&);

template <class T, int... I>
struct TileTable {
  // Indexed by rows - 1, vectors - 1, a_row == 1.
  static constexpr TileFunction<T> at[sizeof...(I)][kTileVectors][2] = {
      {{&multiply_tile<T, I + 1, 1, false>, &multiply_tile<T, I + 1, 1, true>},
       {&multiply_tile<T, I + 1, 2, false>, &multiply_tile<T, I + 1, 2, true>}}...};
};

template <class T>
LAMINA_INLINE void multiply_tile(const TileTask<T>& t) {
#if defined(__AVX512F__)
  using Table = TileTable<T, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13>;
#elif defined(__AVX2__)
  using Table = TileTable<T, 0, 1, 2, 3, 4, 5>;
#else
  using Table = TileTable<T, 0, 1, 2, 3>;
#endif
  Table::at[t.rows - 1][t.cols > kLanes<T>][t.a_row == 1](t);
}

}  // namespace lamina::cpu::LAMINA_ISA

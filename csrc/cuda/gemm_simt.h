// Multiplies two tiles in shared memory by plain multiply-adds, every thread a block of the product
// in registers.  A warp makes 4 x 8 such blocks: of its loads of 16 bytes, lanes in a row share
// those of A, lanes in a column those of B.  Strict: every product and sum is rounded in T alone.
#pragma once

#include "cuda/gemm_tile.h"

namespace lamina::cuda {

template <class TileA, class TileB, int warp_rows, int warp_columns, int stages>
class Simt {
 public:
  using T = typename TileA::Element;
  using Element = T;
  using Sum = T;
  using A = TileA;
  using B = TileB;
  static constexpr int kThreads = 32 * warp_rows * warp_columns, kStages = stages;
  static constexpr bool kWgmma = false;
  static constexpr int kLoaders = kThreads;
  static constexpr int kRun = TileB::kAlongDepth ? 1 : kChunk<T>;  // columns that lie together
  // For store_moments: a thread's part of the product, the lanes that share its columns, the warps.
  static constexpr int kThreadRows = TileA::kSides / (warp_rows * 4);
  static constexpr int kThreadColumns = TileB::kSides / (warp_columns * 8);
  static constexpr int kLaneStep = 8, kWarpRows = warp_rows, kColumnTakers = kThreads;

  __device__ Simt()
      : row_(warp() / warp_columns * kLaneRows * kRows +
             lane() / kLaneColumns * (TileA::kAlongDepth ? 1 : kChunk<T>)),
        column_(warp() % warp_columns * kLaneColumns * kColumns +
                lane() % kLaneColumns * (TileB::kAlongDepth ? 1 : kChunk<T>)) {}

  __device__ __forceinline__ void multiply(const T* a, const T* b) {
    LAMINA_UNROLL
    for (int depth = 0; depth < TileA::kDepths; depth += kChunk<T>) {
      T av[kRows][kChunk<T>], bv[kColumns][kChunk<T>];
      fetch<TileA, kRows, kLaneRows>(a, row_, depth, av);
      fetch<TileB, kColumns, kLaneColumns>(b, column_, depth, bv);
      LAMINA_UNROLL
      for (int k = 0; k < kChunk<T>; ++k) {
        LAMINA_UNROLL
        for (int i = 0; i < kRows; ++i) {
          LAMINA_UNROLL
          for (int j = 0; j < kColumns; ++j) sum_[i][j] += av[i][k] * bv[j][k];
        }
      }
    }
  }

  // f(row of the tile, each) for this thread's rows, each(g) calling g(column, kRun sums).
  template <class F>
  __device__ __forceinline__ void for_each_row(F f) const {
    LAMINA_UNROLL
    for (int i = 0; i < kRows; ++i)
      f(row_ + place<TileA, kLaneRows>(i), [&](auto g) {
        LAMINA_UNROLL
        for (int j = 0; j < kColumns; j += kRun)
          g(column_ + place<TileB, kLaneColumns>(j), &sum_[i][j]);
      });
  }

  __device__ __forceinline__ int row(int i) const { return row_ + place<TileA, kLaneRows>(i); }
  __device__ __forceinline__ int column(int j) const {
    return column_ + place<TileB, kLaneColumns>(j);
  }
  __device__ __forceinline__ T sum(int i, int j) const { return sum_[i][j]; }
  __device__ int warp_row() const { return warp() / warp_columns; }
  __device__ int thread() const { return static_cast<int>(threadIdx.x); }

 private:
  static constexpr int kLaneRows = 4, kLaneColumns = 8;
  static constexpr int kRows = kThreadRows, kColumns = kThreadColumns;
  static_assert(TileA::kDepths == TileB::kDepths && TileA::kDepths % kChunk<T> == 0);

  static __device__ int warp() { return static_cast<int>(threadIdx.x / kWarpSize); }
  static __device__ int lane() { return static_cast<int>(threadIdx.x % kWarpSize); }

  // Where a thread's i-th row or column lies from its first: single ones dealt out among the lanes
  // where the tile lies along the depth, else whole chunks.
  template <class Tile, int lanes>
  static constexpr __device__ __forceinline__ int place(int i) {
    return Tile::kAlongDepth ? i * lanes : i / kChunk<T> * lanes * kChunk<T> + i % kChunk<T>;
  }

  template <class Tile, int n, int lanes>
  static __device__ __forceinline__ void fetch(const T* tile, int first, int depth,
                                               T (&to)[n][kChunk<T>]) {
    if constexpr (Tile::kAlongDepth) {
      LAMINA_UNROLL
      for (int i = 0; i < n; ++i) {
        const auto chunk = *reinterpret_cast<const Chunk<T>*>(
            tile + Tile::at(first + place<Tile, lanes>(i), depth));
        LAMINA_UNROLL
        for (int k = 0; k < kChunk<T>; ++k) to[i][k] = chunk.v[k];
      }
    } else {
      LAMINA_UNROLL
      for (int k = 0; k < kChunk<T>; ++k) LAMINA_UNROLL
      for (int i = 0; i < n; i += kChunk<T>) {
        const auto chunk = *reinterpret_cast<const Chunk<T>*>(
            tile + Tile::at(first + place<Tile, lanes>(i), depth + k));
        LAMINA_UNROLL
        for (int e = 0; e < kChunk<T>; ++e) to[i + e][k] = chunk.v[e];
      }
    }
  }

  int row_, column_;
  T sum_[kRows][kColumns] = {};
};

// The sizes of tiles that launch_tiles chooses from.
template <class T, Order a, Order b>
struct SimtCores {
  using Small = Simt<Tile<T, 64, 16, a>, Tile<T, 64, 16, b>, 2, 2, 4>;
  using Large = Small;
};
template <Order a, Order b>
struct SimtCores<float, a, b> {
  using Small = Simt<Tile<float, 64, 16, a>, Tile<float, 64, 16, b>, 2, 2, 4>;
  using Large = Simt<Tile<float, 128, 16, a>, Tile<float, 128, 16, b>, 4, 2, 4>;
};

}  // namespace lamina::cuda

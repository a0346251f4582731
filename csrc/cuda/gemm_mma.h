// Multiplies two tiles in shared memory on tensor cores, each warp 16 x 8 blocks of the product in
// registers: float32 rounded to TF32, bfloat16 and float16; sums in float32.
#pragma once

#include "core/half.h"
#include "cuda/gemm_tile.h"
#include "cuda/mma.h"

namespace lamina::cuda {

// Fragments of one multiplication's depth: A of 16 rows, B of 8 columns.
template <class T>
struct Fragments {  // 16-bit floats, by ldmatrix
  static constexpr int kDepth = 16;

  // Matrices of a fragment of A: rows 0-7 and 8-15, then both again eight deeper.
  template <class Tile>
  static __device__ __forceinline__ void load_a(uint32_t (&a)[4], const T* tile, int row, int depth,
                                                int lane) {
    const int side = row + (Tile::kAlongDepth ? lane % 16 : lane / 8 % 2 * 8);
    const int deep = depth + (Tile::kAlongDepth ? lane / 16 * 8 : lane / 16 * 8 + lane % 8);
    load_matrices<!Tile::kAlongDepth>(a, tile + Tile::at(side, deep));
  }

  // Two fragments of B: of each, the first eight of the depth and the next.
  template <class Tile>
  static __device__ __forceinline__ void load_b(uint32_t (&b)[2][2], const T* tile, int column,
                                                int depth, int lane) {
    const int side = column + lane / 16 * 8 + (Tile::kAlongDepth ? lane % 8 : 0);
    const int deep = depth + lane / 8 % 2 * 8 + (Tile::kAlongDepth ? 0 : lane % 8);
    uint32_t both[4];
    load_matrices<!Tile::kAlongDepth>(both, tile + Tile::at(side, deep));
    b[0][0] = both[0];
    b[0][1] = both[1];
    b[1][0] = both[2];
    b[1][1] = both[3];
  }

  static __device__ __forceinline__ void multiply(float (&d)[4], const uint32_t (&a)[4],
                                                  const uint32_t (&b)[2]) {
    if constexpr (__is_same(T, bfloat16))
      mma_bf16(d, a, b);
    else
      mma_f16(d, a, b);
  }
};

template <>
struct Fragments<float> {
  static constexpr int kDepth = 8;

  template <class Tile>
  static __device__ __forceinline__ void load_a(uint32_t (&a)[4], const float* tile, int row,
                                                int depth, int lane) {
    LAMINA_UNROLL
    for (int i = 0; i < 4; ++i)
      a[i] = to_tf32(tile[Tile::at(row + lane / 4 + i % 2 * 8, depth + lane % 4 + i / 2 * 4)]);
  }

  template <class Tile>
  static __device__ __forceinline__ void load_b(uint32_t (&b)[2][2], const float* tile, int column,
                                                int depth, int lane) {
    LAMINA_UNROLL
    for (int i = 0; i < 4; ++i)
      b[i / 2][i % 2] =
          to_tf32(tile[Tile::at(column + lane / 4 + i / 2 * 8, depth + lane % 4 + i % 2 * 4)]);
  }

  static __device__ __forceinline__ void multiply(float (&d)[4], const uint32_t (&a)[4],
                                                  const uint32_t (&b)[2]) {
    mma_tf32(d, a, b);
  }
};

template <class TileA, class TileB, int warp_rows, int warp_columns, int stages>
class Mma {
 public:
  using T = typename TileA::Element;
  using Element = T;
  using Sum = float;
  using A = TileA;
  using B = TileB;
  static constexpr int kThreads = 32 * warp_rows * warp_columns, kStages = stages;
  static constexpr bool kWgmma = false;
  static constexpr int kLoaders = kThreads;
  static constexpr int kRun = 2;  // columns that lie together
  // For store_moments: a thread's part of the product, the lanes that share its columns, the warps.
  static constexpr int kThreadRows = TileA::kSides / (8 * warp_rows);
  static constexpr int kThreadColumns = TileB::kSides / (4 * warp_columns);
  static constexpr int kLaneStep = 4, kWarpRows = warp_rows, kColumnTakers = kThreads;

  __device__ Mma()
      : lane_(static_cast<int>(threadIdx.x % kWarpSize)),
        row_(static_cast<int>(threadIdx.x / kWarpSize) / warp_columns * 16 * kRows),
        column_(static_cast<int>(threadIdx.x / kWarpSize) % warp_columns * 8 * kColumns) {}

  __device__ __forceinline__ void multiply(const T* a_tile, const T* b_tile) {
    LAMINA_UNROLL
    for (int depth = 0; depth < TileA::kDepths; depth += F::kDepth) {
      uint32_t a[kRows][4], b[kColumns / 2][2][2];
      LAMINA_UNROLL
      for (int i = 0; i < kRows; ++i)
        F::template load_a<TileA>(a[i], a_tile, row_ + 16 * i, depth, lane_);
      LAMINA_UNROLL
      for (int j = 0; j < kColumns / 2; ++j)
        F::template load_b<TileB>(b[j], b_tile, column_ + 16 * j, depth, lane_);
      LAMINA_UNROLL
      for (int i = 0; i < kRows; ++i) {
        LAMINA_UNROLL
        for (int j = 0; j < kColumns; ++j) F::multiply(sum_[i][j], a[i], b[j / 2][j % 2]);
      }
    }
  }

  // f(row of the tile, each) for this thread's rows, each(g) calling g(column, kRun sums).
  template <class Visit>
  __device__ __forceinline__ void for_each_row(Visit f) const {
    LAMINA_UNROLL
    for (int i = 0; i < 2 * kRows; ++i)
      f(row(i), [&](auto g) {
        LAMINA_UNROLL
        for (int j = 0; j < kColumns; ++j) g(column(2 * j), &sum_[i / 2][j][i % 2 * 2]);
      });
  }

  __device__ __forceinline__ int row(int i) const {
    return row_ + 16 * (i / 2) + i % 2 * 8 + lane_ / 4;
  }
  __device__ __forceinline__ int column(int j) const {
    return column_ + 8 * (j / 2) + lane_ % 4 * 2 + j % 2;
  }
  __device__ __forceinline__ float sum(int i, int j) const {
    return sum_[i / 2][j / 2][i % 2 * 2 + j % 2];
  }
  __device__ int warp_row() const {
    return static_cast<int>(threadIdx.x / kWarpSize) / warp_columns;
  }
  __device__ int thread() const { return static_cast<int>(threadIdx.x); }

 private:
  using F = Fragments<T>;
  static constexpr int kRows = TileA::kSides / (16 * warp_rows);  // fragments a warp
  static constexpr int kColumns = TileB::kSides / (8 * warp_columns);
  static_assert(kColumns % 2 == 0 && TileA::kDepths == TileB::kDepths &&
                TileA::kDepths % F::kDepth == 0);

  int lane_, row_, column_;
  float sum_[kRows][kColumns][4] = {};
};

// The sizes of tiles that launch_tiles chooses from: 64 bytes of depth.
template <class T, Order a, Order b>
struct MmaCores {
  static constexpr int kDepths = 64 / sizeof(T);
  using Small = Mma<Tile<T, 64, kDepths, a>, Tile<T, 64, kDepths, b>, 2, 2, 4>;
  using Large = Mma<Tile<T, 128, kDepths, a>, Tile<T, 128, kDepths, b>, 2, 4, 4>;
};

}  // namespace lamina::cuda

// Means and squared distances by column of a tile's sums as they are stored (kernels/moments.h): batch
// normalisation's statistics, while the tile is in registers.
//
// A thread takes those of its rows, in two passes over registers; lanes with the same columns merge
// theirs pairwise (Chan, Golub & LeVeque 1979), each step giving away half of the columns; warps above
// each other meet in shared memory and are merged in order, in double.  No step subtracts squares of
// large numbers, and the order is fixed: the same bits on every run.  Of a tile with n columns a thread
// takes 7/8 of its columns' two numbers through shuffles; 16 bytes a column go to memory.
#pragma once

#include "cuda/gemm_tile.h"
#include "kernels/moments.h"

namespace lamina::cuda {

// Where an Output leaves moments.
struct MomentPlaces {
  kernels::Moment* parts;  // null: nowhere
  int64_t channel;         // of the matrix's first column
};

// Of a warp's rows in a tile.
template <class Sum>
struct WarpMoment {
  Sum mean, squares;
};

// Bytes of shared memory that store_moments needs.
template <class Core>
inline constexpr size_t kMomentBytes =
    Core::kWarpRows * Core::B::kSides * sizeof(WarpMoment<typename Core::Sum>);

// How many of `rows` lie in [first, first + most).
__device__ __forceinline__ int rows_within(int64_t rows, int64_t first, int most) {
  const int64_t left = rows - first;
  return left >= most ? most : left > 0 ? static_cast<int>(left) : 0;
}

// Into part `tile` of `tiles` a column.  `meet` is a barrier of the threads of the core.
template <class Core, class Out, class Meet>
__device__ __forceinline__ void store_moments(const Core& core, const Out& out, int64_t row0,
                                              int64_t column0, int64_t rows, int64_t columns,
                                              int64_t tiles, WarpMoment<typename Core::Sum>* shared,
                                              Meet meet) {
  using Sum = typename Core::Sum;
  constexpr int kRows = Core::kThreadRows, kColumns = Core::kThreadColumns;
  constexpr int kLanes = static_cast<int>(kWarpSize) / Core::kLaneStep;  // with the same columns
  static_assert(kColumns % kLanes == 0);
  constexpr int kSides = Core::B::kSides, kWarpHeight = Core::A::kSides / Core::kWarpRows;

  int count = 0;
  LAMINA_UNROLL
  for (int i = 0; i < kRows; ++i) count += row0 + core.row(i) < rows ? 1 : 0;
  const Sum share = count > 0 ? Sum(1) / static_cast<Sum>(count) : Sum(0);
  Sum mean[kColumns], squares[kColumns];
  LAMINA_UNROLL
  for (int j = 0; j < kColumns; ++j) {
    const int64_t column = column0 + core.column(j);
    Sum values[kRows], total = 0, apart = 0;
    LAMINA_UNROLL
    for (int i = 0; i < kRows; ++i) {
      const bool exists = row0 + core.row(i) < rows && column < columns;
      values[i] = exists ? out.stored(core.sum(i, j), column) : Sum(0);
      total += values[i];
    }
    mean[j] = total * share;
    LAMINA_UNROLL
    for (int i = 0; i < kRows; ++i) {
      const Sum d = row0 + core.row(i) < rows ? values[i] - mean[j] : Sum(0);
      apart += d * d;
    }
    squares[j] = apart;
  }

  int first = 0;  // of the columns that this lane is left with
  LAMINA_UNROLL
  for (int step = 1; step < kLanes; step *= 2) {
    const int half = kColumns / (2 * step), bit = Core::kLaneStep * step;
    const bool upper = threadIdx.x & static_cast<unsigned>(bit);
    const int other = __shfl_xor_sync(kAllLanes, count, bit);
    const Sum weight =
        other > 0 ? static_cast<Sum>(other) / static_cast<Sum>(count + other) : Sum(0);
    const Sum both = weight * static_cast<Sum>(count);
    LAMINA_UNROLL
    for (int j = 0; j < half; ++j) {
      const Sum got = __shfl_xor_sync(kAllLanes, upper ? mean[j] : mean[j + half], bit);
      const Sum more = __shfl_xor_sync(kAllLanes, upper ? squares[j] : squares[j + half], bit);
      const Sum mine = upper ? mean[j + half] : mean[j], d = got - mine;
      mean[j] = mine + d * weight;
      squares[j] = (upper ? squares[j + half] : squares[j]) + more + d * d * both;
    }
    count += other;
    first += upper ? half : 0;
  }
  LAMINA_UNROLL
  for (int j = 0; j < kColumns / kLanes; ++j)
    shared[core.warp_row() * kSides + core.column(first + j)] = {mean[j], squares[j]};
  meet();

  for (int c = core.thread(); c < kSides; c += Core::kColumnTakers) {
    if (column0 + c >= columns) continue;
    double n = 0, middle = 0, apart = 0;
    for (int w = 0; w < Core::kWarpRows; ++w) {
      const int more = rows_within(rows, row0 + w * kWarpHeight, kWarpHeight);
      if (more == 0) break;
      const WarpMoment<Sum> part = shared[w * kSides + c];
      const double d = static_cast<double>(part.mean) - middle, weight = more / (n + more);
      middle += d * weight;
      apart += static_cast<double>(part.squares) + d * d * weight * n;
      n += more;
    }
    const int64_t tile = row0 / Core::A::kSides, channel = out.moments.channel + column0 + c;
    out.moments.parts[channel * tiles + tile] = {middle, apart};
  }
}

}  // namespace lamina::cuda

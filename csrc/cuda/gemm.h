// The one main loop of matrix products and convolutions: D (m, n) = A (m, k) B (k, n), and what is
// done to a sum on its way to memory.
//
// A block makes one tile of D (on Hopper, of 16-bit floats, one after another: gemm_wgmma.h).  Tiles of A and B pass through a ring of `kStages` in shared memory:
// while stage s is multiplied, asynchronous copies fill the ones behind it, with one barrier a tile.
// Four things plug in:
//   Core       how tiles in shared memory are multiplied, and with how many threads: gemm_simt.h
//   loaders    how an operand's tiles come to shared memory: gemm_matrix.h, conv_window.h
//   Output     where an element of D lies, and what is done to its sum: gemm_output.h
//   Problem    makes these for matrix `z` of a launch: Part(problem, z)
// Where tiles are too few to fill a device, the depth is split among blocks; each writes its sums,
// and a second launch adds them in order: the same bits on every run and device.
#pragma once

#include "cuda/gemm_moments.h"
#include "cuda/gemm_tile.h"
#include "cuda/scratch.h"

namespace lamina::cuda {

// How a launch cuts its products into blocks: blockIdx.x is a tile, columns first, so that blocks
// that run together share rows of A in L2; y a part of the depth; z a matrix.
struct Tiling {
  int64_t rows, columns;  // the most of any matrix
  unsigned row_tiles, column_tiles, splits;
  int64_t per_split;  // of the depth
  int64_t tiles;      // of all matrices and splits
  unsigned first;     // matrix of this launch
};

// In at most as many blocks as `busy`, where that needs the depth split.
inline constexpr int64_t kLeastTiles = 8;  // of the depth for a part, to be worth its sums

template <class Core>
Tiling tile_product(int64_t matrices, int64_t rows, int64_t columns, int64_t depth, int64_t busy) {
  constexpr int64_t kDepths = Core::A::kDepths;
  const int64_t row_tiles = (rows + Core::A::kSides - 1) / Core::A::kSides;
  const int64_t column_tiles = (columns + Core::B::kSides - 1) / Core::B::kSides;
  const int64_t depth_tiles = (depth + kDepths - 1) / kDepths;
  int64_t splits = busy / (row_tiles * column_tiles * matrices);
  if (splits > depth_tiles / kLeastTiles) splits = depth_tiles / kLeastTiles;
  if (splits < 1) splits = 1;
  const int64_t per_split = (depth_tiles + splits - 1) / splits * kDepths;
  if (depth > 0) splits = (depth + per_split - 1) / per_split;
  return {rows,
          columns,
          static_cast<unsigned>(row_tiles),
          static_cast<unsigned>(column_tiles),
          static_cast<unsigned>(splits),
          per_split,
          row_tiles * column_tiles * splits * matrices,
          0};
}

template <class Core, class A, class B>
__device__ __forceinline__ void main_loop(Core& core, A& a, B& b, typename Core::Element* ring,
                                          int64_t tiles) {
  using TileA = typename Core::A;
  constexpr int kStage = TileA::kSize + Core::B::kSize, kStages = Core::kStages;
  const auto load = [&](int slot) {
    a.load(ring + slot * kStage);
    b.load(ring + slot * kStage + TileA::kSize);
  };
  LAMINA_UNROLL
  for (int s = 0; s < kStages - 1; ++s) {
    if (s < tiles) load(s);
    commit_async_copies();
  }
  int from = 0, to = kStages - 1;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    wait_async_copies<kStages - 2>();
    __syncthreads();  // tile `tile` has landed for all, and all are done with the slot before it
    if (tile + kStages - 1 < tiles) load(to);
    commit_async_copies();
    core.multiply(ring + from * kStage, ring + from * kStage + TileA::kSize);
    from = from + 1 == kStages ? 0 : from + 1;
    to = to + 1 == kStages ? 0 : to + 1;
  }
}

// The tile from (row0, column0) on, to its place or, of a part of the depth, to `parts`.
template <class Core, class Part>
__device__ __forceinline__ void store_tile(const Core& core, const Part& part, int64_t row0,
                                           int64_t column0, const Tiling& tiling,
                                           typename Core::Sum* parts) {
  using Sum = typename Core::Sum;
  const int64_t rows = part.rows(), columns = tiling.columns;
  const auto out = part.output();
  core.for_each_row([&](int row_in_tile, auto each) {
    const int64_t row = row0 + row_in_tile;
    if (row >= rows) return;
    const int64_t row_offset = parts ? row * columns : out.row_offset(row);
    each([&](int column_in_tile, const Sum* sums) {
      const int64_t column = column0 + column_in_tile;
      if (column >= columns) return;
      if (!parts) return out.template store<Core::kRun>(row, row_offset, column, columns, sums);
      constexpr int kWide = Core::kRun % kChunk<Sum> == 0 ? kChunk<Sum> : 1;
      if (kWide > 1 && columns % kWide == 0) {  // then 16 bytes are whole, and aligned
        LAMINA_UNROLL
        for (int e = 0; e < Core::kRun; e += kWide) {
          Chunk<Sum> chunk;
          LAMINA_UNROLL
          for (int i = 0; i < kWide; ++i) chunk.v[i] = sums[e + i];
          if (column + e < columns)
            *reinterpret_cast<Chunk<Sum>*>(parts + row_offset + column + e) = chunk;
        }
        return;
      }
      LAMINA_UNROLL
      for (int e = 0; e < Core::kRun; ++e)
        if (column + e < columns) parts[row_offset + column + e] = sums[e];
    });
  });
}

// Whether what a problem makes may leave moments.
template <class Problem>
inline constexpr bool has_moments =
    requires(const typename Problem::Part& part) { part.output().moments; };

template <class Core, class Problem>
__global__ void __launch_bounds__(Core::kThreads)
    gemm_kernel(const Problem problem, const Tiling tiling, typename Core::Sum* parts) {
  LAMINA_DYNAMIC_SHARED(typename Core::Element, ring);
  const unsigned z = tiling.first + blockIdx.z;
  const typename Problem::Part part(problem, z);
  const int64_t row0 = int64_t{blockIdx.x / tiling.column_tiles} * Core::A::kSides;
  const int64_t column0 = int64_t{blockIdx.x % tiling.column_tiles} * Core::B::kSides;
  if (row0 >= part.rows()) return;
  const int64_t begin = blockIdx.y * tiling.per_split, depth = part.depth();
  const int64_t end = begin + tiling.per_split < depth ? begin + tiling.per_split : depth;

  Core core;
  auto a = part.template loader_a<Core>(row0, begin, end);
  auto b = part.template loader_b<Core>(column0, begin, end);
  main_loop(core, a, b, ring,
            end > begin ? (end - begin + Core::A::kDepths - 1) / Core::A::kDepths : 0);
  if (parts) parts += (z * int64_t{tiling.splits} + blockIdx.y) * tiling.rows * tiling.columns;
  store_tile(core, part, row0, column0, tiling, parts);
  if constexpr (has_moments<Problem>) {
    const auto out = part.output();
    if (parts || !out.moments.parts) return;
    static_assert(kMomentBytes<Core> <= Core::kStages * (Core::A::kSize + Core::B::kSize) *
                                            sizeof(typename Core::Element));
    __syncthreads();  // all are done with the ring
    store_moments(core, out, row0, column0, part.rows(), tiling.columns, tiling.row_tiles,
                  reinterpret_cast<WarpMoment<typename Core::Sum>*>(ring), [] { __syncthreads(); });
  }
}

// The ordered sum of the parts, one thread an element.
inline constexpr int kSumThreads = 256;

template <class Sum, class Problem>
__global__ void __launch_bounds__(kSumThreads)
    sum_parts_kernel(const Problem problem, const Tiling tiling, const Sum* parts, int64_t count) {
  const int64_t i = int64_t{blockIdx.x} * kSumThreads + threadIdx.x;
  if (i >= count) return;
  const int64_t each = tiling.rows * tiling.columns, z = i / each;
  const int64_t row = i % each / tiling.columns, column = i % tiling.columns;
  const typename Problem::Part part(problem, static_cast<unsigned>(z));
  if (row >= part.rows()) return;
  const Sum* from = parts + z * tiling.splits * each + row * tiling.columns + column;
  Sum sum = from[0];
  for (unsigned s = 1; s < tiling.splits; ++s) sum += from[s * each];
  const auto out = part.output();
  out.template store<1>(row, out.row_offset(row), column, tiling.columns, &sum);
}

// Memory for the sums of parts, where the depth is split.
template <class Sum>
class Parts {
 public:
  Parts(const Tiling& tiling, int64_t matrices)
      : tiling_(tiling),
        count_(matrices * tiling.rows * tiling.columns),
        scratch_(tiling.splits > 1 ? sizeof(Sum) * static_cast<size_t>(count_ * tiling.splits)
                                   : 1) {}

  Sum* data() const { return tiling_.splits > 1 ? scratch_.as<Sum>() : nullptr; }

  template <class Problem>
  void sum(const Problem& problem) const {
    if (data())
      launch(&sum_parts_kernel<Sum, Problem>, blocks_for(count_, kSumThreads), kSumThreads, 0,
             stream(), problem, tiling_, static_cast<const Sum*>(data()), count_);
  }

 private:
  Tiling tiling_;
  int64_t count_;
  DeviceScratch scratch_;
};

inline constexpr int64_t kMultiprocessors = 132;  // of an H200: plans are made for it
inline constexpr int64_t kFewBlocks = 256;  // about two a multiprocessor: below, depth is split
inline constexpr int64_t kMostMatrices = 65535;  // of a grid's third dimension

// Launches `matrices` products of at most rows x columns x depth each.  Returns the rows of a tile, each
// of which has left its moments, if the problem has a place for them; 0 where the depth was split: then
// sums are whole only in the second launch, and results few enough to lie in L2 for whoever reads them.
template <class Core, class Problem>
int64_t launch_gemm(const Problem& problem, int64_t matrices, int64_t rows, int64_t columns,
                    int64_t depth) {
  constexpr size_t kShared =
      Core::kStages * (Core::A::kSize + Core::B::kSize) * sizeof(typename Core::Element);
  Tiling tiling = tile_product<Core>(matrices, rows, columns, depth, kFewBlocks);
  const Parts<typename Core::Sum> parts(tiling, matrices);
  for (int64_t first = 0; first < matrices; first += kMostMatrices) {
    const int64_t left = matrices - first;
    tiling.first = static_cast<unsigned>(first);
    const dim3 grid(tiling.row_tiles * tiling.column_tiles, tiling.splits,
                    static_cast<unsigned>(left < kMostMatrices ? left : kMostMatrices));
    launch(&gemm_kernel<Core, Problem>, grid, Core::kThreads, kShared, stream(), problem, tiling,
           parts.data());
  }
  parts.sum(problem);
  return tiling.splits == 1 ? Core::A::kSides : 0;
}

// A large tile reuses more of what it loads; small ones fill a device with fewer outputs.
template <class Cores, class Problem>
int64_t launch_tiles(const Problem& problem, int64_t matrices, int64_t rows, int64_t columns,
                     int64_t depth) {
  constexpr int64_t kSide = Cores::Large::A::kSides;
  const int64_t tiles = ((rows + kSide - 1) / kSide) * ((columns + kSide - 1) / kSide) * matrices;
  if (columns > kSide / 2 && rows > kSide / 2 && tiles >= kFewBlocks / 2)
    return launch_gemm<typename Cores::Large>(problem, matrices, rows, columns, depth);
  return launch_gemm<typename Cores::Small>(problem, matrices, rows, columns, depth);
}

}  // namespace lamina::cuda

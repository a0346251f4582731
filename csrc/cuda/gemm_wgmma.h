// The main loop of gemm.h for Hopper (sm_90a), on 16-bit floats: one warpgroup loads, two multiply.
//
// Tiles go round a ring of `kStages` in shared memory.  A stage has two barriers: `full`, when its
// tiles have landed, and `empty`, when both multiplying warpgroups have read them.  An operand comes by
// the copy engine (gemm_boxes.h: one thread's work) or, where addresses must be computed, as the
// windows of a convolution, by cp.async of the whole loading warpgroup.  A block stays on its
// multiprocessor and goes from tile to tile, so that loads of the next tile run during the output of
// this one.
//
// What bounds it, in cycles a multiprocessor for a depth of 16 of a 128 x n tile.  Tensor cores: 128 n
// 16 multiply-adds at 2048 a cycle, n.  Shared memory at 128 bytes a cycle: each warpgroup reads 64 x 16
// of A and n x 16 of B, and the tiles are written once, 4 (64 + n) 16 + 2 (128 + n) 16 bytes, 64 + 3 n / 4.
// Both are 256 for n = 256: the largest tile, whose 128 sums a thread are as many as registers hold;
// n = 128 is bound by shared memory at 160, n = 64 at 112.  From L2, 12 KB in 256 cycles: 48 bytes a cycle
// and multiprocessor, 11 TB/s for all, unless neighbours' rows are met in it.
#pragma once

#include <utility>

#include "cuda/gemm.h"
#include "cuda/gemm_boxes.h"
#include "cuda/wgmma.h"

namespace lamina::cuda {

// How tiles in shared memory are multiplied: each warpgroup 64 rows.
template <class TileA, class TileB>
class Wgmma {
 public:
  using T = typename TileA::Element;
  using Element = T;
  using Sum = float;
  using A = TileA;
  using B = TileB;
  static constexpr int kMultipliers = 2;                            // warpgroups
  static constexpr int kThreads = kWarpgroup * (1 + kMultipliers);  // the first one loads
  static constexpr bool kWgmma = true;
  static constexpr int kLoaders = kWarpgroup;
  static constexpr int kStage = A::kSize + B::kSize;
  static constexpr int kStages = 192 * 1024 / sizeof(T) / kStage;
  static constexpr size_t kTiles = kStages * kStage * sizeof(T);
  static constexpr size_t kShared = kTiles + 2 * kStages * sizeof(Mbarrier);
  static constexpr int kRun = 8;  // columns that lie together: 16 bytes, once gather_runs() has run
  // For store_moments, after gather_runs(): a thread's part of the product, the lanes that share its
  // columns, the warps.
  static constexpr int kThreadRows = 2, kThreadColumns = B::kSides / 4;
  static constexpr int kLaneStep = 4, kWarpRows = 4 * kMultipliers;
  static constexpr int kColumnTakers = kMultipliers * kWarpgroup;
  static_assert(A::kSides == 64 * kMultipliers && A::kDepths == 64 && B::kDepths == 64);

  __device__ Wgmma() : thread_(static_cast<int>(threadIdx.x) - kWarpgroup) {}

  // Starts the products of a stage, as one group.
  __device__ __forceinline__ void multiply(const T* a_tile, const T* b_tile) {
    const int group = thread_ / kWarpgroup;
    begin_products();
    LAMINA_UNROLL
    for (int depth = 0; depth < A::kDepths; depth += 16)
      start_product<T, B::kSides, !A::kAlongDepth, !B::kAlongDepth>(
          sum_, describe<A>(a_tile, 64 * group, depth), describe<B>(b_tile, 0, depth));
    commit_products();
  }

  // The sums may be written before, or read after.
  __device__ __forceinline__ void hold() { hold_registers(sum_); }

  // As Mma's: f(row of the tile, each) for this thread's rows, each(g) calling g(column, kRun sums).
  template <class Visit>
  __device__ __forceinline__ void for_each_row(Visit f) const {
    LAMINA_UNROLL
    for (int half = 0; half < 2; ++half)
      f(row(half), [&](auto g) {
        LAMINA_UNROLL
        for (int j = 0; j < B::kSides; j += 4 * kRun) {
          float run[kRun];
          LAMINA_UNROLL
          for (int e = 0; e < kRun; ++e) run[e] = sum_[at(j, e / 2, half, e % 2)];
          g(column(j / 4), run);
        }
      });
  }

  __device__ __forceinline__ int row(int half) const {
    return thread_ / 32 * 16 + thread_ % 32 / 4 + half * 8;
  }
  __device__ __forceinline__ int column(int j) const {
    return j / kRun * 4 * kRun + thread_ % 4 * kRun + j % kRun;
  }
  __device__ __forceinline__ float sum(int half, int j) const {
    return sum_[at(j / kRun * 4 * kRun, j % kRun / 2, half, j % 2)];
  }
  __device__ int warp_row() const { return thread_ / 32; }
  __device__ int thread() const { return thread_; }

  // Four neighbouring lanes hold two columns each of four blocks of eight: afterwards each holds the
  // eight of one block, so that a store fills sectors of memory.  All lanes of a warp call it.
  __device__ __forceinline__ void gather_runs() {
    const bool odd = thread_ % 2 != 0, high = thread_ / 2 % 2 != 0;
    LAMINA_UNROLL
    for (int i = 0; i < B::kSides / 8; ++i) {  // 32 columns of a half, by which of a pair
      const int j = i / 4 * 32, half = i / 2 % 2, e = i % 2;
      const auto block = [&](int b) -> float& { return sum_[at(j, b, half, e)]; };
      LAMINA_UNROLL
      for (int b = 0; b < 4; b += 2) exchange(block(b), block(b + 1), odd, 1);
      LAMINA_UNROLL
      for (int b = 0; b < 2; ++b) exchange(block(b), block(b + 2), high, 2);
    }
  }

 private:
  // In sum_, of the 32 columns from j on: block b, the upper or lower eight rows, element e of a pair.
  static constexpr int at(int j, int b, int half, int e) { return j / 2 + b * 4 + half * 2 + e; }

  // The lane gives one of two blocks to the lane whose number differs in a bit, and gets there its part
  // of the other: in order of the lanes.
  static __device__ __forceinline__ void exchange(float& first, float& second, bool upper,
                                                  int bit) {
    const float got = __shfl_xor_sync(kAllLanes, upper ? first : second, bit);
    first = upper ? got : first;
    second = upper ? second : got;
  }

  // 64 sides or all from `side` on, a multiple of 64, by 16 depths.
  template <class Tile>
  static __device__ __forceinline__ uint64_t describe(const T* tile, int side, int depth) {
    const int at = Tile::kAlongDepth ? side * Tile::kSpan + depth
                                     : side / Tile::kSpan * Tile::kPanel + depth * Tile::kSpan;
    return describe_tile(tile + at, Tile::kAlongDepth ? 16 : Tile::kPanel * sizeof(T));
  }

  int thread_;
  float sum_[B::kSides / 2] = {};
};

// A place in the ring, and how often it has been round.
template <int stages>
struct RingPlace {
  int stage = 0;
  unsigned parity = 0;

  __device__ __forceinline__ void advance() {
    if (++stage < stages) return;
    stage = 0;
    parity ^= 1;
  }
};

// Calls f(part of the problem, its tile's row and column, depths from `begin` to `end`, where in
// `parts` its sums go) for the tiles of this block.
template <class Core, class Problem, class F>
__device__ __forceinline__ void for_each_tile(const Problem& problem, const Tiling& tiling, F f) {
  for (int64_t i = blockIdx.x; i < tiling.tiles; i += gridDim.x) {
    const auto column_tile = static_cast<unsigned>(i % tiling.column_tiles);
    const int64_t of_rows = i / tiling.column_tiles;
    const auto row_tile = static_cast<unsigned>(of_rows % tiling.row_tiles);
    const auto part_of = static_cast<unsigned>(of_rows / tiling.row_tiles);
    const unsigned split = part_of % tiling.splits, z = part_of / tiling.splits;
    const typename Problem::Part part(problem, z);
    const int64_t row0 = int64_t{row_tile} * Core::A::kSides;
    if (row0 >= part.rows()) continue;
    const int64_t begin = split * tiling.per_split, depth = part.depth();
    const int64_t end = begin + tiling.per_split < depth ? begin + tiling.per_split : depth;
    f(part, row0, int64_t{column_tile} * Core::B::kSides, begin, end, part_of);
  }
}

template <class Core>
__device__ __forceinline__ int64_t depth_tiles(int64_t begin, int64_t end) {
  return end > begin ? (end - begin + Core::A::kDepths - 1) / Core::A::kDepths : 0;
}

template <class Loader>
inline constexpr bool is_boxes = requires { Loader::kBoxes; };

// Who has how many registers, within the 168 a thread that a block of 384 can start with.
inline constexpr int kGatheringRegisters = 104, kBoxRegisters = 40;
constexpr int multiplying_registers(int loading) { return (3 * 168 - loading) / 2 / 8 * 8; }

template <class Core, class Problem>
struct Loading {
  using T = typename Core::Element;
  using Part = typename Problem::Part;
  using A = decltype(std::declval<const Part&>().template loader_a<Core>(0, 0, 0));
  using B = decltype(std::declval<const Part&>().template loader_b<Core>(0, 0, 0));
  static constexpr bool kBoxesAlone = is_boxes<A> && is_boxes<B>;
  static constexpr unsigned kArrivals = kBoxesAlone ? 1 : kWarpgroup;  // of a full stage
  static constexpr int kRegisters = kBoxesAlone ? kBoxRegisters : kGatheringRegisters;
  static constexpr int kStages = Core::kStages;
  // Stages whose cp.async may be in flight.  The products of a stage and the next are started before
  // the first is handed back, so that two must be full while more are loaded.
  static constexpr int kBehind = kStages - 2 < 3 ? kStages - 2 : 3;
  static_assert(kBehind >= 1);

  static __device__ void run(const Problem& problem, const Tiling& tiling, T* ring, Mbarrier* full,
                             Mbarrier* empty) {
    RingPlace<kStages> to, landed;
    int in_flight = 0;
    for_each_tile<Core>(
        problem, tiling,
        [&](const Part& part, int64_t row, int64_t column, int64_t begin, int64_t end, unsigned) {
          A a = part.template loader_a<Core>(row, begin, end);
          B b = part.template loader_b<Core>(column, begin, end);
          for (int64_t left = depth_tiles<Core>(begin, end); left > 0; --left, to.advance()) {
            mbarrier_wait(empty + to.stage, to.parity ^ 1);
            T* stage = ring + to.stage * Core::kStage;
            if (threadIdx.x == 0) mbarrier_expect_boxes(full + to.stage);
            load(a, stage, full + to.stage);
            load(b, stage + Core::A::kSize, full + to.stage);
            if constexpr (kBoxesAlone) {
              mbarrier_arrive(full + to.stage);
            } else {
              commit_async_copies();
              if (++in_flight <= kBehind) continue;
              wait_async_copies<kBehind>();
              hand_over(full, landed);
              --in_flight;
            }
          }
        });
    if constexpr (!kBoxesAlone) {
      wait_async_copies<0>();
      for (; in_flight > 0; --in_flight) hand_over(full, landed);
    }
  }

 private:
  static __device__ __forceinline__ void mbarrier_expect_boxes(Mbarrier* full) {
    unsigned bytes = 0;
    if constexpr (is_boxes<A>) bytes += A::kBytes;
    if constexpr (is_boxes<B>) bytes += B::kBytes;
    if (bytes > 0) mbarrier_expect(full, bytes);
  }
  template <class Loader>
  static __device__ __forceinline__ void load(Loader& loader, T* tile, Mbarrier* full) {
    if constexpr (is_boxes<Loader>) {
      if (threadIdx.x == 0) loader.load(tile, full);
    } else {
      loader.load(tile);
    }
  }
  static __device__ __forceinline__ void hand_over(Mbarrier* full, RingPlace<kStages>& landed) {
    fence_async_proxy();
    mbarrier_arrive(full + landed.stage);
    landed.advance();
  }
};

template <class Core, class Problem>
__device__ void multiply_tiles(const Problem& problem, const Tiling& tiling, float* parts,
                               const typename Core::Element* ring, Mbarrier* full,
                               Mbarrier* empty) {
  RingPlace<Core::kStages> from;
  [[maybe_unused]] RingPlace<1> meeting;  // of the multiplying warpgroups
  for_each_tile<Core>(
      problem, tiling,
      [&](const auto& part, int64_t row0, int64_t column0, int64_t begin, int64_t end,
          unsigned part_of) {
        Core core;
        core.hold();
        const auto hand_back = [&](int stage) {
          if (threadIdx.x % kWarpSize == 0) mbarrier_arrive(empty + stage);
        };
        int last = -1;
        for (int64_t left = depth_tiles<Core>(begin, end); left > 0; --left, from.advance()) {
          mbarrier_wait(full + from.stage, from.parity);
          const auto* stage = ring + from.stage * Core::kStage;
          core.multiply(stage, stage + Core::A::kSize);
          wait_products<1>();  // those of the last stage are done
          if (last >= 0) hand_back(last);
          last = from.stage;
        }
        wait_products<0>();
        core.hold();
        if (last >= 0) hand_back(last);
        core.gather_runs();
        store_tile(core, part, row0, column0, tiling,
                   parts ? parts + part_of * tiling.rows * tiling.columns : nullptr);
        if constexpr (has_moments<Problem>) {
          const auto out = part.output();
          if (parts || !out.moments.parts) return;
          Mbarrier* met = empty + Core::kStages;
          const auto meet = [&] {
            mbarrier_arrive(met);
            mbarrier_wait(met, meeting.parity);
            meeting.advance();
          };
          store_moments(core, out, row0, column0, part.rows(), tiling.columns, tiling.row_tiles,
                        reinterpret_cast<WarpMoment<float>*>(met + 1), meet);
          meet();  // all have read what the next tile's warps write
        }
      });
}

template <class Core, class Problem>
__global__ void __launch_bounds__(Core::kThreads, 1)
    wgmma_kernel([[maybe_unused]] const __grid_constant__ Problem problem,
                 [[maybe_unused]] const Tiling tiling, [[maybe_unused]] float* parts) {
#if LAMINA_SM90_CODE
  using Load = Loading<Core, Problem>;
  LAMINA_DYNAMIC_SHARED(typename Core::Element, ring);
  Mbarrier* full = reinterpret_cast<Mbarrier*>(reinterpret_cast<char*>(ring) + Core::kTiles);
  Mbarrier* empty = full + Core::kStages;
  if (threadIdx.x == 0) {
    for (int s = 0; s < Core::kStages; ++s) {
      mbarrier_init(full + s, Load::kArrivals);
      mbarrier_init(empty + s, Core::kMultipliers * kWarpgroup / kWarpSize);
    }
    if constexpr (has_moments<Problem>) mbarrier_init(empty + Core::kStages, Core::kColumnTakers);
    fence_mbarrier_init();
  }
  __syncthreads();
  if (threadIdx.x < kWarpgroup) {
    give_registers<Load::kRegisters>();
    if (threadIdx.x < Load::kArrivals) Load::run(problem, tiling, ring, full, empty);
  } else {
    take_registers<multiplying_registers(Load::kRegisters)>();
    multiply_tiles<Core>(problem, tiling, parts, ring, full, empty);
  }
#endif
}

// The sizes of tiles that launch_wgmma chooses from.
template <class T, Order a, Order b, int columns>
using WgmmaCore = Wgmma<SwizzledTile<T, 128, 64, a>, SwizzledTile<T, columns, 64, b>>;

// The columns of tiles that keep a device busy for the shortest time: rounds of blocks on all
// multiprocessors, each as long as counted above.
inline int wgmma_columns(int64_t matrices, int64_t rows, int64_t columns) {
  int best = 0;
  int64_t least = 0;
  for (int n : {256, 128, 64}) {
    const int64_t tiles = matrices * ((rows + 127) / 128) * ((columns + n - 1) / n);
    const int64_t time =
        (tiles + kMultiprocessors - 1) / kMultiprocessors * (64 + 3 * int64_t{n} / 4);
    if (best == 0 || time < least) {
      best = n;
      least = time;
    }
  }
  return best;
}

// f(std::integral_constant of the columns).
template <class F>
void visit_wgmma_columns(int64_t matrices, int64_t rows, int64_t columns, F f) {
  switch (wgmma_columns(matrices, rows, columns)) {
    case 256:
      return f(std::integral_constant<int, 256>());
    case 128:
      return f(std::integral_constant<int, 128>());
    default:
      f(std::integral_constant<int, 64>());
  }
}

// As launch_gemm.
template <class Core, class Problem>
int64_t launch_wgmma(const Problem& problem, int64_t matrices, int64_t rows, int64_t columns,
                     int64_t depth) {
  const Tiling tiling = tile_product<Core>(matrices, rows, columns, depth, kMultiprocessors);
  const Parts<float> parts(tiling, matrices);
  const int64_t blocks = tiling.tiles < kMultiprocessors ? tiling.tiles : kMultiprocessors;
  constexpr size_t shared =
      Core::kShared + (has_moments<Problem> ? sizeof(Mbarrier) + kMomentBytes<Core> : 0);
  launch(&wgmma_kernel<Core, Problem>, dim3(static_cast<unsigned>(blocks)), Core::kThreads, shared,
         stream(), problem, tiling, parts.data());
  parts.sum(problem);
  return tiling.splits == 1 ? Core::A::kSides : 0;
}

}  // namespace lamina::cuda

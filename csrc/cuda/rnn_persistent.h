// Recurrent layers with W_hh kept on chip: what the two passes share.
//
// One cooperative launch runs all steps of both directions.  A block owns some hidden units, holds
// their part of W_hh in shared memory, and meets the others at one barrier a step.  Its warps take
// tiles: 4 sequences times 4 columns of that part, for which they add
//   sum over k of rows[r][k] weights[c][k],
// each lane a share of k; the rows come through L1.  The same unit of the same sequence is one
// thread's in all steps, so that only what the sums read passes between blocks.  Every sum is one
// warp's, in an order that depends on its length alone: the same bits on any number of blocks.
#pragma once

#include "cuda/cooperative.h"
#include "cuda/device_tables.h"
#include "cuda/reduce.h"
#include "cuda/rnn.h"
#include "cuda/unroll.h"

namespace lamina::cuda {

inline constexpr int kPersistentThreads = 512, kPersistentWarps = kPersistentThreads / 32;
inline constexpr int kTile = 4;  // sequences, and columns

template <class T>
inline constexpr int kRnnVector = 16 / sizeof(T);

template <class T>
struct alignas(16) RnnVector {
  T v[kRnnVector<T>];
};

// Elements from column to column of the weights in shared memory: whole vectors, zeros behind.
template <class T>
__host__ __device__ int64_t weight_pitch(int64_t depth) {
  return (depth + kRnnVector<T> - 1) / kRnnVector<T> * kRnnVector<T>;
}

// weights[column][k] = at(column, k), zero behind the depth; by all threads of a block.
template <class T, class F>
__device__ __forceinline__ void keep_weights(T* weights, int64_t columns, int64_t depth,
                                             const F& at) {
  const int64_t pitch = weight_pitch<T>(depth);
  for (int64_t i = threadIdx.x; i < columns * pitch; i += kPersistentThreads) {
    const int64_t column = i / pitch, k = i - column * pitch;
    weights[i] = k < depth ? at(column, k) : T(0);
  }
}

// Elements k.. of a row; zeros behind it.
template <bool aligned, class T>
__device__ __forceinline__ RnnVector<T> row_vector(const T* row, int64_t k, int64_t depth) {
  if constexpr (aligned) {
    return *reinterpret_cast<const RnnVector<T>*>(row + k);
  } else {
    RnnVector<T> v;
    LAMINA_UNROLL
    for (int e = 0; e < kRnnVector<T>; ++e) v.v[e] = k + e < depth ? row[k + e] : T(0);
    return v;
  }
}

// sums[r * kTile + c] over this lane's share of k.  aligned: the rows are whole vectors.
template <int columns, bool aligned, class T>
__device__ __forceinline__ void add_products(T (&sums)[kTile * kTile],
                                             const T* const (&rows)[kTile], const T* weights,
                                             int64_t depth) {
  const int64_t pitch = weight_pitch<T>(depth);
  const int lane = static_cast<int>(threadIdx.x % kWarpSize);
  for (int64_t k = lane * kRnnVector<T>; k < depth; k += kWarpSize * kRnnVector<T>) {
    RnnVector<T> x[kTile];
    LAMINA_UNROLL
    for (int r = 0; r < kTile; ++r) x[r] = row_vector<aligned>(rows[r], k, depth);
    LAMINA_UNROLL
    for (int c = 0; c < columns; ++c) {
      const auto w = *reinterpret_cast<const RnnVector<T>*>(weights + c * pitch + k);
      LAMINA_UNROLL
      for (int r = 0; r < kTile; ++r) {
        LAMINA_UNROLL
        for (int e = 0; e < kRnnVector<T>; ++e) sums[r * kTile + c] += x[r].v[e] * w.v[e];
      }
    }
  }
}

// Adds the lanes' sums: lane l ends with number l % 16.  Each exchange hands half of what is left to
// the partner, 16 shuffles instead of the 80 of as many reductions.
template <class T>
__device__ __forceinline__ T deal_sums(T (&sums)[kTile * kTile]) {
  LAMINA_UNROLL
  for (int half = kTile * kTile / 2; half > 0; half /= 2) {
    const bool upper = threadIdx.x & static_cast<unsigned>(half);
    LAMINA_UNROLL
    for (int i = 0; i < half; ++i) {
      const T kept = upper ? sums[i + half] : sums[i], given = upper ? sums[i] : sums[i + half];
      sums[i] = kept + shuffle_xor(given, half);
    }
  }
  return sums[0] + shuffle_xor(sums[0], kTile * kTile);
}

// The whole product of a tile; lane l ends with that of row l / 4 % 4 and column l % 4.
template <int columns, class T>
__device__ __forceinline__ T tile_product(const T* const (&rows)[kTile], const T* weights,
                                          int64_t depth, bool aligned) {
  T sums[kTile * kTile] = {};
  if (aligned)
    add_products<columns, true>(sums, rows, weights, depth);
  else
    add_products<columns, false>(sums, rows, weights, depth);
  return deal_sums(sums);
}

// f(first sequence, first unit of the block's) of each tile of this warp: always the same warp's.
template <int tile_units, class F>
__device__ __forceinline__ void for_tiles(int64_t sequences, int units, const F& f) {
  const int across = units / tile_units;
  const int64_t tiles = (sequences + kTile - 1) / kTile * across;
  for (int64_t tile = threadIdx.x / kWarpSize; tile < tiles; tile += kPersistentWarps) {
    const int64_t group = tile / across;
    f(group * kTile, static_cast<int>(tile - group * across) * tile_units);
  }
}

inline bool in_vectors(const void* data) { return reinterpret_cast<uintptr_t>(data) % 16 == 0; }

// How a layer is dealt out.
struct PersistentPlan {
  unsigned slices = 0;  // blocks a direction; 0: it does not fit
  int units = 0;        // of a block
  size_t shared = 0;    // bytes
};

// No more blocks than leave every warp a tile, as far as the weights then fit.
template <class Kernel>
PersistentPlan plan_persistent(Kernel kernel, const kernels::RnnShape& s, int gates, int tile_units,
                               int64_t bytes_of_unit) {
  // Multiply-adds of a step beyond which products in tiles of many rows take less time than these, of
  // 4: by count some 6 us on the 132 multiprocessors of an H200 at 40 % of their rate, as long as the
  // launches of a step.
  constexpr int64_t kMostProducts = int64_t{1} << 26;
  const RnnPath path = rnn_path;
  if (path == RnnPath::steps) return {};
  if (path == RnnPath::automatic && s.batch * gates * s.hidden * s.hidden > kMostProducts)
    return {};
  const auto up = [](int64_t n, int64_t by) { return (n + by - 1) / by; };
  const auto plan = [&](int64_t units) -> PersistentPlan {
    return {static_cast<unsigned>(up(s.hidden, units)), static_cast<int>(units),
            static_cast<size_t>(units * bytes_of_unit)};
  };
  const auto fits = [&](const PersistentPlan& p) {
    return p.slices * s.directions <= cooperative_blocks(kernel, kPersistentThreads, p.shared);
  };
  const int64_t row_tiles = up(s.batch, kTile);
  const PersistentPlan few = plan(up(kPersistentWarps, row_tiles) * tile_units);
  if (fits(few)) return few;
  const int64_t most = properties(active_device()).multi_processor_count / s.directions;
  if (most > 0) {
    const PersistentPlan all = plan(up(up(s.hidden, most), tile_units) * tile_units);
    if (fits(all)) return all;
  }
  check<NotImplementedError>(path != RnnPath::persistent,
                             "[rnn] the recurrent weights do not fit on the chip");
  return {};
}

// Counts the blocks that have arrived, in order of the stream.
class RnnBarrier {
 public:
  RnnBarrier() : memory_(sizeof(unsigned)) {
    LAMINA_CUDA_CHECK(cudaMemsetAsync(memory_.as<void>(), 0, sizeof(unsigned), stream()));
  }
  GridBarrier get() const { return {memory_.as<unsigned>()}; }

 private:
  DeviceScratch memory_;
};

// The steps' rows, where sequences have lengths of their own, on the device.
class PersistentSteps {
 public:
  explicit PersistentSteps(const kernels::RnnShape& s) : shape_(s) {
    if (s.rows == s.steps * s.batch) return;
    table_ = tables_.add(s.offsets, s.steps + 1);
    tables_.send();
    lengths_ = true;
  }
  RnnSteps of(int direction) const {
    return {shape_.steps, shape_.batch, lengths_ ? tables_.at<int64_t>(table_) : nullptr,
            shape_.reverse[direction]};
  }

 private:
  const kernels::RnnShape& shape_;
  DeviceTables tables_;
  DeviceTables::Table table_{};
  bool lengths_ = false;
};

}  // namespace lamina::cuda

// The register tile of conv_small_dot.h: K outputs by P positions, each with a vector of partial sums
// over the input channels.  K + P loads for K * P multiply-adds; at the end 2 shuffles an output add
// the lanes.
#pragma once

#include "cpu/conv_epilogue.h"
#include "cpu/conv_small.h"
#include "cpu/lane_transpose.h"
#include "cpu/shuffle.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int kMaxDotOutputs = 12;
inline constexpr int kMaxDotSums = 24;  // of a tile

// A run of inputs that lie together in x, as their weights do.
struct DotRun {
  int64_t x, w;  // where it begins
};

struct DotRuns {
  DotRun* run;
  int64_t count, vectors;  // of a run
};

// sums[i] = the lanes of v[i] added up, i < G (a power of two, at most the lanes).
template <class T, int G>
LAMINA_INLINE void add_lanes(Vec<T>* v, T* sums) {
  constexpr int n = kLanes<T>;
  using Indices = std::make_integer_sequence<int, n>;
  // Interleaving rows i and i + m moves the row's bit into the lane's index and adds up half of the
  // lanes.
  LAMINA_UNROLL
  for (int m = G / 2; m > 0; m /= 2) LAMINA_UNROLL
  for (int i = 0; i < m; ++i)
    v[i] = interleave<T, 0>(v[i], v[i + m], Indices{}) +
           interleave<T, n / 2>(v[i], v[i + m], Indices{});
  using Lanes = typename CountLanes<n>::Type;
  if constexpr (n / 2 >= G) v[0] += rotate<n / 2>(v[0], Lanes{});
  if constexpr (n / 4 >= G) v[0] += rotate<n / 4>(v[0], Lanes{});
  if constexpr (n / 8 >= G) v[0] += rotate<n / 8>(v[0], Lanes{});
  alignas(64) T lanes[n];
  store(lanes, v[0]);
  LAMINA_UNROLL
  for (int i = 0; i < G; ++i) sums[i] = lanes[i];
}

// sums[k * P + p] = sum over the runs of x[in[p] + i] * w[i][k].
template <class T, int K>
__attribute__((noinline)) void dot_tile(const DotRuns& runs, const T* const* in, const T* w,
                                        T* sums) {
  constexpr int n = kLanes<T>, P = kSmallPlaces<K>, G = n < 8 ? n : 8;
  constexpr int kPadded = (K * P + G - 1) / G * G;
  Vec<T> sum[kPadded];
  LAMINA_UNROLL
  for (int i = 0; i < kPadded; ++i) sum[i] = Vec<T>{};
  const T* x[P];
  LAMINA_UNROLL
  for (int p = 0; p < P; ++p) x[p] = in[p];
  for (int64_t r = 0; r < runs.count; ++r) {
    int64_t at = runs.run[r].x;
    const T* weights = w + runs.run[r].w;
    for (int64_t v = runs.vectors; v > 0; --v, at += n, weights += K * n) {
      Vec<T> b[K];
      LAMINA_UNROLL
      for (int k = 0; k < K; ++k) b[k] = load(weights + k * n);
      LAMINA_UNROLL
      for (int p = 0; p < P; ++p) {
        const Vec<T> a = load(x[p] + at);
        LAMINA_UNROLL
        for (int k = 0; k < K; ++k) sum[k * P + p] += a * b[k];
      }
    }
  }
  LAMINA_UNROLL
  for (int i = 0; i < kPadded; i += G) add_lanes<T, G>(sum + i, sums + i);
}

template <class T>
struct DotTile {
  int places;
  void (*run)(const DotRuns&, const T* const*, const T*, T*);
};

#define LAMINA_DOT(K) {kSmallPlaces<K>, &dot_tile<T, K>}
template <class T>
inline constexpr DotTile<T> kDotTiles[kMaxDotOutputs] = {
    LAMINA_DOT(1), LAMINA_DOT(2), LAMINA_DOT(3), LAMINA_DOT(4),  LAMINA_DOT(5),  LAMINA_DOT(6),
    LAMINA_DOT(7), LAMINA_DOT(8), LAMINA_DOT(9), LAMINA_DOT(10), LAMINA_DOT(11), LAMINA_DOT(12),
};
#undef LAMINA_DOT

// The positions of a tile on their way: `flush` makes their outputs.
template <class T>
struct DotPlaces {
  const DotTile<T>& tile;
  int64_t outputs, channel;  // k; of y, from one output channel to the next
  const T *w, *bias;
  const Epilogue<T>& epilogue;
  const T* in[kMaxSmallPlaces];
  T* out[kMaxSmallPlaces];
  int filled;

  LAMINA_INLINE void add(const DotRuns& runs, const T* from, T* to) {
    in[filled] = from;
    out[filled] = to;
    if (++filled == tile.places) flush(runs);
  }
  LAMINA_INLINE void flush(const DotRuns& runs) {
    if (filled == 0) return;
    for (int p = filled; p < tile.places; ++p) in[p] = in[0];
    alignas(64) T sum[kMaxDotSums];
    tile.run(runs, in, w, sum);
    for (int64_t k = 0; k < outputs; ++k) {
      const T add = bias ? bias[k] : T(0);
      for (int p = 0; p < filled; ++p) {
        T* to = out[p] + k * channel;
        *to = epilogue.apply(sum[k * tile.places + p] + add, to);
      }
    }
    filled = 0;
  }
};

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

// The register tile of implicit GEMM: S segments of L output pixels by NV vectors of output
// channels.
//
// Pixels of a segment lie at one stride in x, segments anywhere: three rows of 4 pixels make a full
// tile, so that 8x8 and 4x4 images run as fast as wide ones.  Per input channel the tile does S*L
// broadcasts from x, NV loads of packed weights and S*L*NV multiply-adds; the sums stay in
// registers over every tap and channel of the slice.
#pragma once

#include "cpu/conv_epilogue.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

#define LAMINA_UNROLL _Pragma("GCC unroll 32")

inline constexpr int kPanelVectors =
    2;  // packed weights hold panels of this many vectors of output channels
inline constexpr int kMaxSegments = 12;

template <class T>
inline constexpr int kPanel = kPanelVectors * kLanes<T>;

// What all tiles of a slice of channels share.
template <class T>
struct TileSlice {
  int64_t pixel;  // elements from one input pixel of a segment to the next
  const int64_t*
      run;  // offsets in x of the runs: `length` inputs that lie together, as their weights do
  int64_t runs, length;  // a run is one tap's channels or, where they touch in x, those of a whole
                         // row of taps
  int64_t blocks, block_stride, last_length;  // channel blocks; the last may have shorter runs
  int64_t out_pixel, out_channel;             // strides of y
  bool accumulate;                            // add to y: not the first slice
  Epilogue<T> epilogue = {};                  // of the last slice
};

template <class T>
struct TilePlace {
  const T* in[kMaxSegments];
  T* out[kMaxSegments];
  int first[kMaxSegments],
      last[kMaxSegments];  // pixels [first, last) are stored, the others only readable
};

// y[pixel][k] (+)= sum[pixel][k] (+ bias[k]) one by one: for a last, partial panel and for y of any
// layout.
template <class T>
__attribute__((noinline)) void store_channels(const TileSlice<T>& s, const TilePlace<T>& place,
                                              int segments, int length, const T* sum, const T* bias,
                                              int channels) {
  for (int i = 0; i < segments; ++i)
    for (int j = place.first[i]; j < place.last[i]; ++j) {
      T* out = place.out[i] + j * s.out_pixel;
      const T* from = sum + (i * length + j) * kPanel<T>;
      for (int k = 0; k < channels; ++k) {
        T& y = out[k * s.out_channel];
        y = s.epilogue.apply(from[k] + (s.accumulate ? y : bias[k]), &y);
      }
    }
}

// y[pixel][k] (+)= sum of x[pixel + tap][c] * w[c, tap][k] (+ bias[k]) for k < channels; w and bias
// have whole panels.
template <class T, int S, int L, int NV>
__attribute__((noinline)) void conv_tile(const TileSlice<T>& s, const TilePlace<T>& place,
                                         const T* w, const T* bias, int channels) {
  using V = Vec<T>;
  V sum[S * L][NV];
  LAMINA_UNROLL
  for (int i = 0; i < S * L * NV; ++i) sum[i / NV][i % NV] = V{};

  // y's lines are on their way from L3 while the sums are made.
  LAMINA_UNROLL
  for (int i = 0; i < S * L; ++i) LAMINA_UNROLL
  for (int v = 0; v < NV; ++v)
    __builtin_prefetch(place.out[i / L] + i % L * s.out_pixel + v * kLanes<T>, 1);

  int64_t at[L];
  LAMINA_UNROLL
  for (int j = 0; j < L; ++j) {
    at[j] = j * s.pixel;
    asm("" : "+r"(at[j]));  // an index register; the compiler would otherwise walk S * L pointers
  }
  for (int64_t block = 0; block < s.blocks; ++block) {
    const int64_t length = block + 1 == s.blocks ? s.last_length : s.length;
    for (int64_t r = 0; r < s.runs; ++r) {
      const T* x[S];
      LAMINA_UNROLL
      for (int i = 0; i < S; ++i) x[i] = place.in[i] + block * s.block_stride + s.run[r];
      for (int64_t c = length; c > 0; --c) {
        V b[NV];
        LAMINA_UNROLL
        for (int v = 0; v < NV; ++v) {
          b[v] = load(w + v * kLanes<T>);
          __builtin_prefetch(w + 8 * kPanel<T> + v * kLanes<T>);
        }
        w += kPanel<T>;
        LAMINA_UNROLL
        for (int i = 0; i < S; ++i) {
          LAMINA_UNROLL
          for (int j = 0; j < L; ++j) {
            const V a = broadcast(x[i][at[j]]);
            LAMINA_UNROLL
            for (int v = 0; v < NV; ++v) sum[i * L + j][v] += a * b[v];
          }
          ++x[i];
        }
      }
    }
  }

  if (channels != NV * kLanes<T> || s.out_channel != 1) {
    alignas(64) T spilled[S * L * kPanel<T>];
    LAMINA_UNROLL
    for (int i = 0; i < S * L * NV; ++i)
      store(spilled + i / NV * kPanel<T> + i % NV * kLanes<T>, sum[i / NV][i % NV]);
    return store_channels(s, place, S, L, spilled, bias, channels);
  }
  LAMINA_UNROLL
  for (int i = 0; i < S; ++i) {
    LAMINA_UNROLL
    for (int j = 0; j < L; ++j) {
      if (j < place.first[i] || j >= place.last[i]) continue;
      LAMINA_UNROLL
      for (int v = 0; v < NV; ++v) {
        T* out = place.out[i] + j * s.out_pixel + v * kLanes<T>;
        const V all = sum[i * L + j][v] + (s.accumulate ? load(out) : load(bias + v * kLanes<T>));
        store(out, s.epilogue.apply(all, out));
      }
    }
  }
}

template <class T>
struct TileKernel {
  int segments, length;  // S, L
  void (*run[kPanelVectors])(const TileSlice<T>&, const TilePlace<T>&, const T*, const T*,
                             int);  // by NV - 1
};

#define LAMINA_TILE(S, L)                                    \
  {                                                          \
    S, L, { &conv_tile<T, S, L, 1>, &conv_tile<T, S, L, 2> } \
  }

// With 32 registers 24 or 28 sums, with 16 registers 12.
template <class T>
inline constexpr TileKernel<T> kTileKernels[] = {
#if defined(__AVX512F__)
    LAMINA_TILE(2, 7), LAMINA_TILE(3, 4), LAMINA_TILE(4, 3), LAMINA_TILE(6, 2), LAMINA_TILE(12, 1),
#else
    LAMINA_TILE(1, 6),
    LAMINA_TILE(2, 3),
    LAMINA_TILE(3, 2),
    LAMINA_TILE(6, 1),
#endif
};
#undef LAMINA_TILE

// The tile of length up to `longest` that leaves the fewest pixel slots of a row of `width` empty.
template <class T>
LAMINA_INLINE const TileKernel<T>& choose_tile(int64_t width, int64_t longest) {
  const TileKernel<T>* best = nullptr;
  int64_t fewest = INT64_MAX;
  for (const TileKernel<T>& tile : kTileKernels<T>) {
    if (tile.length > longest) continue;
    const int64_t slots = (width + tile.length - 1) / tile.length * tile.length;
    if (slots < fewest) {
      fewest = slots;
      best = &tile;
    }
  }
  return *best;
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

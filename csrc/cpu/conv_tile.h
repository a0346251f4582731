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
  // Weights that are wanted soon, brought into L2 meanwhile: so many elements on a depth.
  const T* ahead = nullptr;
  int64_t ahead_step = 0;
};

// What a tile does with n < kLanes last channels of a pixel, by halves, quarters, ... of a vector;
// what lies after them in y is nobody's.
template <int Size, class T>
LAMINA_INLINE void store_last(const TileSlice<T>& s, T* y, const T* sum, const T* bias, int n) {
  if constexpr (Size > 0) {
    if (n & Size) {
      typedef T Part __attribute__((vector_size(Size * sizeof(T)), may_alias, aligned(alignof(T))));
      const Epilogue<T>& e = s.epilogue;
      Part all = *reinterpret_cast<const Part*>(sum) +
                 *reinterpret_cast<const Part*>(s.accumulate ? y : bias);
      if (e.residual) all += *reinterpret_cast<const Part*>(y + e.residual);
      if (e.bounded) {
        const Part least = e.low - Part{}, most = e.high - Part{};
        all = all < least ? least : all > most ? most : all;
      }
      *reinterpret_cast<Part*>(y) = all;
      y += Size, sum += Size, bias += Size;
    }
    store_last<Size / 2>(s, y, sum, bias, n);
  }
}

// What tiles do with their sums where some pixels or channels don't count:
// y[pixel][k] (+)= sum[pixel][k] (+ bias[k]), a vector at a time where y's channels lie together.
template <class T>
__attribute__((noinline)) void store_channels(const TileSlice<T>& s, const TilePlace<T>& place,
                                              int segments, int length, const T* sum, const T* bias,
                                              int channels) {
  constexpr int n = kLanes<T>;
  const Epilogue<T> epilogue = s.epilogue;
  for (int i = 0; i < segments; ++i)
    for (int j = place.first[i]; j < place.last[i]; ++j) {
      T* out = place.out[i] + j * s.out_pixel;
      const T* from = sum + (i * length + j) * kPanel<T>;
      if (s.out_channel != 1) {
        for (int k = 0; k < channels; ++k) {
          T& y = out[k * s.out_channel];
          y = epilogue.apply(from[k] + (s.accumulate ? y : bias[k]), &y);
        }
        continue;
      }
      for (int k = 0; k < channels; k += n, out += n) {
        if (channels - k >= n) {
          const Vec<T> all = load(from + k) + (s.accumulate ? load(out) : load(bias + k));
          store(out, epilogue.apply(all, out));
          continue;
        }
        store_last<n / 2>(s, out, from + k, bias + k, channels - k);
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
  if (s.epilogue.residual) {
    LAMINA_UNROLL
    for (int i = 0; i < S * L; ++i) LAMINA_UNROLL
    for (int v = 0; v < NV; ++v)
      __builtin_prefetch(place.out[i / L] + i % L * s.out_pixel + v * kLanes<T> +
                         s.epilogue.residual);
  }

  const T* ahead = place.ahead ? place.ahead : w;
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
        __builtin_prefetch(ahead, 0, 2);
        ahead += place.ahead_step;
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

  bool whole = channels == NV * kLanes<T> && s.out_channel == 1;
  LAMINA_UNROLL
  for (int i = 0; i < S; ++i) whole = whole && place.first[i] == 0 && place.last[i] == L;
  if (!whole) {
    alignas(64) T spilled[S * L * kPanel<T>];
    LAMINA_UNROLL
    for (int i = 0; i < S * L * NV; ++i)
      store(spilled + i / NV * kPanel<T> + i % NV * kLanes<T>, sum[i / NV][i % NV]);
    return store_channels(s, place, S, L, spilled, bias, channels);
  }
  // One branch a step for the whole tile, not one a vector.
  const int64_t pixel = s.out_pixel;
  const Epilogue<T> epilogue = s.epilogue;
  const auto for_each = [&](const auto& f) __attribute__((always_inline)) {
    LAMINA_UNROLL
    for (int i = 0; i < S * L; ++i) LAMINA_UNROLL
    for (int v = 0; v < NV; ++v) f(sum[i][v], place.out[i / L] + i % L * pixel + v * kLanes<T>, v);
  };
  if (s.accumulate)
    for_each([](Vec<T>& value, const T* y, int)
                 __attribute__((always_inline)) { value += load(y); });
  else
    for_each([&](Vec<T>& value, const T*, int v)
                 __attribute__((always_inline)) { value += load(bias + v * kLanes<T>); });
  if (epilogue.residual)
    for_each([&](Vec<T>& value, const T* y, int)
                 __attribute__((always_inline)) { value += load(y + epilogue.residual); });
  if (epilogue.bounded)
    for_each([&](Vec<T>& value, const T*, int)
                 __attribute__((always_inline)) { value = epilogue.bound(value); });
  for_each([](Vec<T>& value, T* y, int) __attribute__((always_inline)) { store(y, value); });
}

template <class T>
struct TileKernel {
  int segments, length;  // S, L
  using Run = void (*)(const TileSlice<T>&, const TilePlace<T>&, const T*, const T*, int);
  Run run[kPanelVectors];   // by NV - 1
  Run half[kPanelVectors];  // for half of the segments or fewer; null: there is none
};

#define LAMINA_TILE(S, L)                                      \
  {                                                            \
    S, L, {&conv_tile<T, S, L, 1>, &conv_tile<T, S, L, 2>}, {} \
  }
#define LAMINA_TILE_HALVED(S, L)                              \
  {                                                           \
    S, L, {&conv_tile<T, S, L, 1>, &conv_tile<T, S, L, 2>}, { \
      &conv_tile<T, S / 2, L, 1>, &conv_tile<T, S / 2, L, 2>  \
    }                                                         \
  }

// With 32 registers 24 or 28 sums, with 16 registers 12.
template <class T>
inline constexpr TileKernel<T> kTileKernels[] = {
#if defined(__AVX512F__)
    LAMINA_TILE_HALVED(2, 7), LAMINA_TILE(3, 4),  LAMINA_TILE(4, 3),
    LAMINA_TILE(6, 2),        LAMINA_TILE(12, 1), LAMINA_TILE(2, 4),
#else
    LAMINA_TILE(1, 6),
    LAMINA_TILE(2, 3),
    LAMINA_TILE(3, 2),
    LAMINA_TILE(6, 1),
#endif
};
#undef LAMINA_TILE
#undef LAMINA_TILE_HALVED

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

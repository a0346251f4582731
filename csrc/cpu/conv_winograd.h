// What the passes of Winograd's convolution share: tiles of the output, transformed activations and
// weights.
//
//   V [position][block][tile][kBlock]        transformed activations, blocks of 64 channels
//   U [position][channel][kPanel outputs]    transformed weights of one panel
//   M [position][tile][kPanel outputs]       products of one panel
// Strides between positions are odd numbers of cache lines: a transform writes all 36 at once.
#pragma once

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/conv_finite.h"
#include "cpu/conv_pack_weights.h"
#include "cpu/conv_pixels.h"
#include "cpu/conv_taps.h"
#include "cpu/conv_winograd_tiles.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int64_t kBlock = 64;
inline constexpr int64_t kSpareTiles = 14;  // rows that a register tile may read beyond the last
inline constexpr int64_t kLine = 64 / sizeof(float);

// Elements from one position to the next where each holds `elements`.
LAMINA_INLINE int64_t position_stride(int64_t elements) {
  return elements / (2 * kLine) * (2 * kLine) + (elements % (2 * kLine) > kLine ? 3 : 1) * kLine;
}

// `Size` x `Size` pixels at an offset from a tile's first, in steps of the tiles' dilation; those
// outside of x, or beyond the tile's outputs in its gradient, are zeros.  All channels of one block
// in one pass.
template <int Size>
struct Window {
  const float* pixel[Size * Size];

  Window() = default;
  LAMINA_INLINE Window(const Pixels<const float*>& x, const Tiles& tiles, const Tiles::Place& at,
                       int64_t offset_h, int64_t offset_w, const float* zeros) {
    const float* image = x.data + at.n * x.n_stride;
    const bool outputs = Size != kWinogradIn;
    for (int i = 0; i < Size; ++i)
      for (int j = 0; j < Size; ++j) {
        const int64_t row = at.h + offset_h + i * tiles.h.step,
                      column = at.w + offset_w + j * tiles.w.step;
        const bool inside = row >= 0 && row < x.h && column >= 0 && column < x.w &&
                            !(outputs && (i >= at.rows || j >= at.columns));
        pixel[i * Size + j] = inside ? image + row * x.h_stride + column * x.w_stride : zeros;
      }
  }
  // Channels from c on; lanes beyond the last channel are not read.
  LAMINA_INLINE Lanes load_at(int i, int j, int64_t c, int64_t channels) const {
    const float* from = pixel[i * Size + j] + c;
    if (channels - c >= kLanes<float>) return load(from);
    return load_partial(from, static_cast<int>(channels - c));
  }
};

// V for tiles [first, first + count) and channels [channel, end), `width` to a block: the transform
// of the window at (offset_h, offset_w) from each tile's first pixel.  `zeros` holds as many zeros
// as x has channels.
template <class Transform>
__attribute__((noinline)) void transform_activations(const Pixels<const float*>& x,
                                                     const Tiles& tiles, int64_t offset_h,
                                                     int64_t offset_w, int64_t first, int64_t count,
                                                     int64_t channel, int64_t end, int64_t width,
                                                     float* v, int64_t stride, int64_t block_stride,
                                                     const float* zeros) {
  constexpr int n = kLanes<float>;
  const auto window_of = [&](int64_t t) __attribute__((always_inline)) {
    return Window<Transform::kIn>(x, tiles, tiles.at(first + t), offset_h, offset_w, zeros);
  };
  Window<Transform::kIn> window, next = window_of(0);
  for (int64_t t = 0; t < count; ++t) {
    window = next;
    if (t + 1 < count) next = window_of(t + 1);
    float* block = v + t * width;
    for (int64_t c = channel, in_block = 0; c < end; c += n, in_block += n) {
      if (in_block == width) in_block = 0, block += block_stride;
      float* to = block + in_block;
      transform_tile<Transform>(
          [&](int i, int j) __attribute__((always_inline)) {
            __builtin_prefetch(next.pixel[i * Transform::kIn + j] + c);
            return window.load_at(i, j, c, x.c);
          },
          [&](int i, int j, Lanes value) __attribute__((always_inline)) {
            store(to + (i * kWinogradIn + j) * stride, value);
          });
    }
  }
}

// The weights of a sum: outputs k and reduction c of w[k * stride_k + c * stride_c + tap], taps
// reversed for dgrad.
struct WinogradWeights {
  const float* w;
  int64_t k, c, stride_k, stride_c;
  bool reversed;
};

// U of one panel for channels [first, first + count), channel `first` at row 0.
template <int Taps>
LAMINA_INLINE void transform_weights(const WinogradWeights& weights, int64_t panel, int64_t first,
                                     int64_t count, float* u, int64_t stride) {
  constexpr int n = kLanes<float>, kTaps = Taps * Taps;
  const float* end =
      weights.w + (weights.k - 1) * weights.stride_k + (weights.c - 1) * weights.stride_c + kTaps;
  for (int v = 0; v < kPanelVectors; ++v) {
    const int64_t k = panel * kPanel<float> + v * n;
    const int valid = static_cast<int>(clamp(weights.k - k, 0, n));
    if (valid == 0) break;  // the products of these outputs are not used
    const float* from = weights.w + k * weights.stride_k + first * weights.stride_c;
    Lanes tap[kTaps];
    const auto put = [&](int64_t c) __attribute__((always_inline)) {
      float* to = u + c * kPanel<float> + v * n;
      transform_tile<WeightTransform<Taps>>(
          [&](int i, int j) __attribute__((always_inline)) {
            return tap[weights.reversed ? kTaps - 1 - (Taps * i + j) : Taps * i + j];
          },
          [&](int i, int j, Lanes value) __attribute__((always_inline)) {
            store(to + (i * kWinogradIn + j) * stride, value);
          });
    };
    if (weights.stride_c == kTaps) {
      int64_t c = 0, t = 0;
      for_each_column(from, weights.stride_k, valid, count * kTaps, end,
                      [&](int64_t, Lanes outputs) {
                        tap[t] = outputs;
                        if (++t == kTaps) put(c++), t = 0;
                      });
    } else {
      for (int64_t c = 0; c < count; ++c) {
        for_each_column(from + c * weights.stride_c, weights.stride_k, valid, kTaps, end,
                        [&](int64_t t, Lanes outputs) { tap[t] = outputs; });
        put(c);
      }
    }
  }
}

// The register tile that computes the fewest rows beyond `count`.
inline const TileKernel<float>& fitting_tile(int64_t count) {
  const TileKernel<float>* tile = nullptr;
  int64_t fewest = INT64_MAX;
  for (const TileKernel<float>& candidate : kTileKernels<float>) {
    const int64_t rows = candidate.segments * candidate.length,
                  computed = ceil_div(count, rows) * rows;
    if (computed < fewest) fewest = computed, tile = &candidate;
  }
  return *tile;
}

// M (+)= V U at one position for rows [begin, end) of tiles.  Each tile brings its share of the next
// position's weights from wherever they are; null where none are wanted.
inline void multiply_rows(const TileKernel<float>& tile, const TileSlice<float>& slice,
                          int64_t begin, int64_t end, const float* v, const float* u, int vectors,
                          float* m, const float* zeros, const float* next = nullptr) {
  const int S = tile.segments, L = tile.length;
  const int64_t depths = (slice.blocks - 1) * kBlock + slice.last_length;
  const int64_t tiles =
      clamp(ceil_div(end - begin, S * L), 1, INT64_MAX);  // none at the edge: 0 rows
  const int64_t ahead_step = ceil_div(kPanel<float>, tiles);
  for (int64_t t = begin; t < end; t += S * L) {
    TilePlace<float> place;
    if (next) {
      place.ahead = next + (t - begin) / (S * L) * depths * ahead_step;
      place.ahead_step = ahead_step;
    }
    for (int i = 0; i < S; ++i) {
      const int64_t row = t + i * L, left = clamp(end - row, 0, L), at = left > 0 ? row : t;
      place.in[i] = v + at * kBlock;
      place.out[i] = m + at * kPanel<float>;
      place.first[i] = 0;
      place.last[i] = static_cast<int>(left);
    }
    tile.run[vectors - 1](slice, place, u, zeros, vectors * kLanes<float>);
  }
}

// M (+)= V U at every position for the tiles of [first, first + count) that need it, and one panel
// of which `vectors` are used; V from the block where U begins.
inline void multiply_positions(const Tiles& tiles, int64_t first, int64_t count, const float* v,
                               int64_t v_stride, int64_t block_stride, const ChannelBlocks& blocks,
                               const float* u, int64_t u_stride, int vectors, float* m,
                               int64_t m_stride, const float* zeros, bool accumulate) {
  const int64_t run = 0;
  const TileSlice<float> slice{
      kBlock,      &run,          1, kBlock,    blocks.blocks, block_stride,
      blocks.last, kPanel<float>, 1, accumulate};
  int64_t rows = -1;
  const TileKernel<float>* tile = nullptr;
  for (int p = 0; p < kPositions; ++p, v += v_stride, u += u_stride, m += m_stride) {
    const Tiles::Range range = tiles.needing(p, first, count);
    if (range.end - range.begin != rows) {
      rows = range.end - range.begin;
      tile = &fitting_tile(rows);
    }
    multiply_rows(*tile, slice, range.begin, range.end, v, u, vectors, m, zeros, u + u_stride);
  }
}

// y = bias + the inverse transform of M for tiles [first, first + count) and the outputs k of one
// panel.  Gives 0 in lanes where all was finite.
template <int Taps>
__attribute__((noinline)) Lanes transform_outputs(const float* m, int64_t stride,
                                                  const Tiles& tiles, int64_t first, int64_t count,
                                                  int64_t panel, const float* bias,
                                                  const Pixels<float*>& y,
                                                  const Epilogue<float>& epilogue) {
  constexpr int n = kLanes<float>;
  const int64_t h_stride = tiles.h.step * y.h_stride, w_stride = tiles.w.step * y.w_stride;
  Lanes doubt{};
  for (int64_t t = 0; t < count; ++t) {
    const Tiles::Place at = tiles.at(first + t),
                       next = tiles.at(first + (t + 1 < count ? t + 1 : t));
    const int64_t ahead =
        (next.n - at.n) * y.n_stride + (next.h - at.h) * y.h_stride + (next.w - at.w) * y.w_stride;
    const int64_t rows = clamp(ceil_div(y.h - at.h, tiles.h.step), 0, at.rows),
                  columns = clamp(ceil_div(y.w - at.w, tiles.w.step), 0, at.columns);
    for (int v = 0; v < kPanelVectors; ++v) {
      const int64_t k = panel * kPanel<float> + v * n, left = y.c - k;
      if (left <= 0) break;
      const float* from = m + t * kPanel<float> + v * n;
      float* to = y.data + at.n * y.n_stride + at.h * y.h_stride + at.w * y.w_stride + k;
      const Lanes b = load(bias + k);
      transform_tile<OutputTransform<Taps>>(
          [&](int i, int j) __attribute__((always_inline)) {
            return load(from + (i * kWinogradIn + j) * stride);
          },
          [&](int i, int j, Lanes value) __attribute__((always_inline)) {
            if (i >= rows || j >= columns) return;
            float* pixel = to + i * h_stride + j * w_stride;
            __builtin_prefetch(pixel + ahead, 1);
            if (epilogue.residual) __builtin_prefetch(pixel + ahead + epilogue.residual);
            const int lanes = left < n ? static_cast<int>(left) : n;
            value += b;
            if (lanes < n) {  // what is in the other lanes is nobody's
              store_partial(pixel, value, lanes);
              value = load_partial(pixel, lanes);
            }
            doubt += value * 0.0f;
            store_lanes(pixel, epilogue.apply(value, pixel, lanes), lanes);
          });
    }
  }
  return doubt;
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

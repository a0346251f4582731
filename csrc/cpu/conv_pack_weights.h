// Weights between their public order (k, c, taps) and the order in which the tiles read them,
// [slice][panel][block][tap][channel of the block][kPanel outputs], outputs beyond the last being
// zero.
//
// Both ways are transposes of register squares; bound by memory (twice the weights), 2 % of a
// ResNet layer at batch 32.
#pragma once

#include "core/parallel.h"
#include "cpu/conv_pack_image.h"
#include "cpu/conv_tile.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// The packed order of one sum over taps.
struct WeightOrder {
  int64_t k, c, panels;
  ChannelBlocks channels;
  int64_t slice_blocks;  // channel blocks of a slice: what a tile adds up in one go

  LAMINA_INLINE int64_t slices() const {
    return (channels.blocks + slice_blocks - 1) / slice_blocks;
  }
  LAMINA_INLINE int64_t slice_begin(int64_t slice) const {
    return slice * slice_blocks * channels.width;
  }
  LAMINA_INLINE int64_t slice_channels(int64_t slice) const {
    const int64_t rest = c - slice_begin(slice), most = slice_blocks * channels.width;
    return rest < most ? rest : most;
  }
  LAMINA_INLINE int64_t block_channels(int64_t block) const {
    return block + 1 == channels.blocks ? channels.last : channels.width;
  }
  // Vectors (of a panel's outputs) before a slice of a panel; times `taps`.
  LAMINA_INLINE int64_t before_slice(int64_t panel, int64_t slice) const {
    return panels * slice_begin(slice) + panel * slice_channels(slice);
  }
  LAMINA_INLINE int64_t before_block(int64_t panel, int64_t block) const {
    const int64_t slice = block / slice_blocks;
    return before_slice(panel, slice) + (block - slice * slice_blocks) * channels.width;
  }
};

// Where a tap of the kernel goes: the `position`-th of the `taps` of the sum packed at `packed`.
template <class T>
struct TapSlot {
  T* packed;
  int64_t taps, position;
};

// sink(column, vector over rows) for each column of `valid` rows; may read up to `end`.
template <class T, class Sink>
LAMINA_INLINE void for_each_column(const T* from, int64_t row_stride, int valid, int64_t columns,
                                   const T* end, const Sink& sink) {
  constexpr int n = kLanes<T>;
  for (int64_t at = 0; at < columns; at += n) {
    const int64_t left = columns - at < n ? columns - at : n;
    Vec<T> square[n];
    const bool inside = from + (n - 1) * row_stride + at + n <= end;
    if (inside && valid == n) {
#pragma GCC unroll 16
      for (int i = 0; i < n; ++i) square[i] = load(from + i * row_stride + at);
    } else {
      alignas(64) T lanes[n][n] = {};
      for (int i = 0; i < valid; ++i)
        for (int64_t j = 0; j < left; ++j) lanes[i][j] = from[i * row_stride + at + j];
      for (int i = 0; i < n; ++i) square[i] = load(lanes[i]);
    }
    transpose_lanes<T>(square);
    alignas(64) T columns_out[n][n];
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) store(columns_out[i], square[i]);
    for (int64_t j = 0; j < left; ++j) sink(at + j, load(columns_out[j]));
  }
}

// w[k * stride_k + c * stride_c + t], t < taps, into the packed order of the sum that each tap
// belongs to.
template <class T>
void pack_weights(const T* w, int64_t stride_k, int64_t stride_c, int64_t taps,
                  const WeightOrder& order, const TapSlot<T>* slot) {
  const T* end = w + (order.k - 1) * stride_k + (order.c - 1) * stride_c + taps;
  parallel_for(order.panels * order.channels.blocks, 1, [&](int64_t begin, int64_t stop) {
    for (int64_t i = begin; i < stop; ++i) {
      const int64_t panel = i / order.channels.blocks, block = i % order.channels.blocks;
      const int64_t length = order.block_channels(block), before = order.before_block(panel, block);
      for (int v = 0; v < kPanelVectors; ++v) {
        const int64_t k = panel * kPanel<T> + v * kLanes<T>, rest = order.k - k;
        const int valid = static_cast<int>(rest < 0 ? 0 : rest < kLanes<T> ? rest : kLanes<T>);
        const T* from = w + k * stride_k + block * order.channels.width * stride_c;
        const auto put = [&](int64_t c, int64_t t, Vec<T> outputs) {
          const TapSlot<T>& s = slot[t];
          store(s.packed + (s.taps * before + s.position * length + c) * kPanel<T> + v * kLanes<T>,
                outputs);
        };
        if (valid == 0) {
          for (int64_t c = 0; c < length; ++c)
            for (int64_t t = 0; t < taps; ++t) put(c, t, Vec<T>{});
        } else if (stride_k == 1) {  // dgrad of a 1x1 kernel
          for (int64_t c = 0; c < length; ++c)
            put(c, 0,
                valid == kLanes<T> ? load(from + c * stride_c)
                                   : load_partial(from + c * stride_c, valid));
        } else if (stride_c == taps) {  // fprop
          int64_t c = 0, t = 0;
          for_each_column(from, stride_k, valid, length * taps, end, [&](int64_t, Vec<T> outputs) {
            put(c, t, outputs);
            if (++t == taps) t = 0, ++c;
          });
        } else {  // dgrad
          for (int64_t c = 0; c < length; ++c)
            for_each_column(from + c * stride_c, stride_k, valid, taps, end,
                            [&](int64_t t, Vec<T> outputs) { put(c, t, outputs); });
        }
      }
    }
  });
}

// dw[k][c][t] = the sum, in order, of `parts` packed gradients that lie part_stride apart (one
// slice, taps in order).
template <class T>
void unpack_weights(const T* packed, int64_t parts, int64_t part_stride, int64_t taps,
                    const WeightOrder& order, T* dw) {
  constexpr int n = kLanes<T>;
  parallel_for(order.panels * order.channels.blocks, 1, [&](int64_t begin, int64_t stop) {
    for (int64_t i = begin; i < stop; ++i) {
      const int64_t panel = i / order.channels.blocks, block = i % order.channels.blocks;
      const int64_t length = order.block_channels(block), columns = length * taps;
      const T* from = packed + taps * order.before_block(panel, block) * kPanel<T>;
      int64_t c = 0, t = 0;
      for (int64_t at = 0; at < columns; at += n) {
        const int64_t left = columns - at < n ? columns - at : n;
        const T* source[n];  // of columns (c, t), which lie apart
        for (int64_t j = 0; j < n; ++j) {
          source[j] = from + (t * length + c) * kPanel<T>;
          if (j + 1 < left && ++t == taps) t = 0, ++c;
        }
        if (++t == taps) t = 0, ++c;
        for (int v = 0; v < kPanelVectors; ++v) {
          const int64_t k = panel * kPanel<T> + v * n, rest = order.k - k,
                        valid = rest < n ? rest : n;
          if (valid <= 0) break;
          Vec<T> square[n];
#pragma GCC unroll 16
          for (int j = 0; j < n; ++j) {
            const T* column = source[j] + v * n;
            __builtin_prefetch(column + 4 * kPanel<T>);  // the same tap, some channels on
            square[j] = load(column);
            for (int64_t part = 1; part < parts; ++part)
              square[j] += load(column + part * part_stride);
          }
          transpose_lanes<T>(square);
          T* to = dw + (k * order.c + block * order.channels.width) * taps + at;
          if (left == n && valid == n) {
#pragma GCC unroll 16
            for (int j = 0; j < n; ++j) store(to + j * order.c * taps, square[j]);
          } else {
            for (int64_t j = 0; j < valid; ++j)
              for (int64_t l = 0; l < left; ++l) to[j * order.c * taps + l] = square[j][l];
          }
        }
      }
    }
  });
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

// A box of the input with its padding, copied to scratch as [block][n][d][h][w][channel of the
// block].
//
// Blocks of at most 64 channels keep the pixels of a tile and its taps in L1 whatever the channel
// count (at 1024 channels the pixels of an unblocked image would share one L1 set).  Costs one pass
// over the input, 2-5 % of a 3x3 convolution, and accepts any layout: NCHW is converted here.
#pragma once

#include "cpu/lane_transpose.h"
#include "kernels/conv.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::kConvDims;

inline constexpr int64_t kMaxBlock = 64;

// Channels cut into equal blocks of at most kMaxBlock.
struct ChannelBlocks {
  int64_t blocks, width, last;
};

LAMINA_INLINE ChannelBlocks cut_channels(int64_t channels) {
  const int64_t blocks = (channels + kMaxBlock - 1) / kMaxBlock,
                width = (channels + blocks - 1) / blocks;
  return {blocks, width, channels - (blocks - 1) * width};
}

// Source and box in input positions; begin may be negative and the box may reach beyond the input:
// zeros there.
template <class T>
struct ImageBox {
  const T* x;             // first channel of the slice, image 0
  const int64_t* stride;  // (N, C, D, H, W)
  const int64_t* in;      // extent of x
  int64_t n_begin, n;     // images
  int64_t begin[kConvDims], size[kConvDims];
  ChannelBlocks channels;

  LAMINA_INLINE int64_t positions() const { return n * size[0] * size[1] * size[2]; }
  LAMINA_INLINE int64_t elements() const { return channels.blocks * positions() * channels.width; }
};

template <class T>
LAMINA_INLINE void copy_elements(T* to, const T* from, int64_t count) {
  constexpr int n = kLanes<T>;
  int64_t i = 0;
  for (; i + n <= count; i += n) store(to + i, load(from + i));
  for (; i < count; ++i) to[i] = from[i];
}

template <class T>
LAMINA_INLINE void fill_zero(T* to, int64_t count) {
  constexpr int n = kLanes<T>;
  int64_t i = 0;
  for (; i + n <= count; i += n) store(to + i, Vec<T>{});
  for (; i < count; ++i) to[i] = T(0);
}

// to[w][c] = from[c * stride_c + w]: a row of an NCHW image.
template <class T>
LAMINA_INLINE void transpose_row(T* to, int64_t width, const T* from, int64_t stride_c,
                                 int64_t channels, int64_t pixels) {
  constexpr int n = kLanes<T>;
  int64_t w = 0;
  for (; w + n <= pixels; w += n) {
    int64_t c = 0;
    for (; c + n <= channels; c += n) {
      Vec<T> square[n];
#pragma GCC unroll 16
      for (int i = 0; i < n; ++i) square[i] = load(from + (c + i) * stride_c + w);
      transpose_lanes<T>(square);
#pragma GCC unroll 16
      for (int i = 0; i < n; ++i) store(to + (w + i) * width + c, square[i]);
    }
    for (; c < channels; ++c)
      for (int i = 0; i < n; ++i) to[(w + i) * width + c] = from[c * stride_c + w + i];
  }
  for (; w < pixels; ++w)
    for (int64_t c = 0; c < channels; ++c) to[w * width + c] = from[c * stride_c + w];
}

// `pixels` pixels of `channels` channels, `width` elements apart in `to`.
template <class T>
LAMINA_INLINE void pack_row(T* to, int64_t width, const T* from, int64_t stride_c, int64_t stride_w,
                            int64_t channels, int64_t pixels) {
  if (stride_c == 1 && stride_w == channels && width == channels) {
    copy_elements(to, from, pixels * channels);
  } else if (stride_c == 1) {
    for (int64_t w = 0; w < pixels; ++w)
      copy_elements(to + w * width, from + w * stride_w, channels);
  } else if (stride_w == 1) {
    transpose_row(to, width, from, stride_c, channels, pixels);
  } else {
    for (int64_t w = 0; w < pixels; ++w)
      for (int64_t c = 0; c < channels; ++c) to[w * width + c] = from[c * stride_c + w * stride_w];
  }
}

template <class T>
__attribute__((noinline)) void pack_image(const ImageBox<T>& box, T* to) {
  const ChannelBlocks& ch = box.channels;
  const int64_t row = box.size[2] * ch.width, block_stride = box.positions() * ch.width;
  const int64_t left =
      box.begin[2] < 0 ? (-box.begin[2] < box.size[2] ? -box.begin[2] : box.size[2]) : 0;
  const int64_t beyond = box.begin[2] + box.size[2] - box.in[2];
  const int64_t right =
      beyond > 0 ? (beyond < box.size[2] - left ? beyond : box.size[2] - left) : 0;
  const int64_t pixels = box.size[2] - left - right;
  for (int64_t n = 0; n < box.n; ++n)
    for (int64_t d = 0; d < box.size[0]; ++d)
      for (int64_t h = 0; h < box.size[1]; ++h, to += row) {
        const int64_t at_d = box.begin[0] + d, at_h = box.begin[1] + h;
        const bool inside = at_d >= 0 && at_d < box.in[0] && at_h >= 0 && at_h < box.in[1];
        for (int64_t b = 0; b < ch.blocks; ++b) {
          T* out = to + b * block_stride;
          if (!inside) {
            fill_zero(out, row);
            continue;
          }
          const T* from = box.x + (box.n_begin + n) * box.stride[0] + b * ch.width * box.stride[1] +
                          at_d * box.stride[2] + at_h * box.stride[3] +
                          (box.begin[2] + left) * box.stride[4];
          fill_zero(out, left * ch.width);
          pack_row(out + left * ch.width, ch.width, from, box.stride[1], box.stride[4],
                   b + 1 == ch.blocks ? ch.last : ch.width, pixels);
          fill_zero(out + (left + pixels) * ch.width, right * ch.width);
        }
      }
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

// A box of the input with its padding, copied to scratch as [block][n][d][h][w][channel of the
// block].
//
// Blocks of at most 64 channels keep the pixels of a tile and its taps in L1 whatever the channel
// count (at 1024 channels the pixels of an unblocked image would share one L1 set).  Costs one pass
// over the input, 2-5 % of a 3x3 convolution, and accepts any layout: NCHW is converted here.
#pragma once

#include "cpu/conv_box.h"
#include "cpu/conv_taps.h"
#include "cpu/lane_transpose.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

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

// The inputs that the positions of `box` meet.
template <class T>
LAMINA_INLINE ImageBox<T> input_box(const TapSum& s, const Box& box, const T* x,
                                    const ChannelBlocks& channels) {
  ImageBox<T> image{x, s.x_stride, s.in, box.begin[0], box.size[0], {}, {}, channels};
  for (int d = 0; d < kConvDims; ++d) {
    const AxisTaps& a = s.axis[d];
    image.begin[d] = box.begin[1 + d] * s.step[d] + a.offset;
    image.size[d] =
        (box.size[1 + d] - 1) * s.step[d] + 1 + (a.count > 0 ? (a.count - 1) * a.offset_step : 0);
  }
  return image;
}

// The positions of `box` themselves, in y.
template <class T>
LAMINA_INLINE ImageBox<T> output_box(const TapSum& s, const Box& box, const T* y,
                                     const ChannelBlocks& channels) {
  return {y,
          s.y_stride,
          s.grid,
          box.begin[0],
          box.size[0],
          {box.begin[1], box.begin[2], box.begin[3]},
          {box.size[1], box.size[2], box.size[3]},
          channels};
}

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

// to[w][c] = from[c * stride_c + w * stride_w]: a row of an NCHW image, transposed in squares where
// it can be.
template <class T>
LAMINA_INLINE void transpose_row(T* to, int64_t width, const T* from, int64_t stride_c,
                                 int64_t stride_w, int64_t channels, int64_t pixels) {
  constexpr int n = kLanes<T>;
  int64_t w = 0;
  for (; stride_w == 1 && w + n <= pixels; w += n) {
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
    for (int64_t c = 0; c < channels; ++c) to[w * width + c] = from[c * stride_c + w * stride_w];
}

// A row of pixels to all blocks of `to`, which lie block_stride apart.
template <class T>
LAMINA_INLINE void pack_row(T* to, int64_t block_stride, const ChannelBlocks& ch, const T* from,
                            int64_t stride_c, int64_t stride_w, int64_t pixels) {
  const int64_t channels = (ch.blocks - 1) * ch.width + ch.last;
  if (stride_c == 1 && stride_w == channels && ch.width == channels) {
    copy_elements(to, from, pixels * channels);
  } else if (stride_c == 1) {  // pixel by pixel: x is read in the order in which it lies
    for (int64_t w = 0; w < pixels; ++w, to += ch.width, from += stride_w) {
      for (int64_t c = 0; c < channels; c += 64 / static_cast<int64_t>(sizeof(T)))
        __builtin_prefetch(from + 4 * stride_w +
                           c);  // strips of a few lines defeat the hardware's prefetcher
      for (int64_t b = 0; b + 1 < ch.blocks; ++b)
        copy_elements(to + b * block_stride, from + b * ch.width, ch.width);
      copy_elements(to + (ch.blocks - 1) * block_stride, from + (ch.blocks - 1) * ch.width,
                    ch.last);
    }
  } else {
    for (int64_t b = 0; b < ch.blocks; ++b) {
      const int64_t count = b + 1 == ch.blocks ? ch.last : ch.width;
      transpose_row(to + b * block_stride, ch.width, from + b * ch.width * stride_c, stride_c,
                    stride_w, count, pixels);
    }
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
          fill_zero(out, (inside ? left : box.size[2]) * ch.width);
          if (inside) fill_zero(out + (left + pixels) * ch.width, right * ch.width);
        }
        if (!inside) continue;
        const T* from = box.x + (box.n_begin + n) * box.stride[0] + at_d * box.stride[2] +
                        at_h * box.stride[3] + (box.begin[2] + left) * box.stride[4];
        pack_row(to + left * ch.width, block_stride, ch, from, box.stride[1], box.stride[4],
                 pixels);
      }
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

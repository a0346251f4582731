// Depthwise convolution: every channel is a group of its own, c == k == groups.
//
// A task copies a box of x for a few vectors of channels, with its padding, into scratch that stays
// in the cache, and runs the register tiles of conv_depthwise.h over it.  3x3 kernels are bound by
// memory, large ones by multiply-adds.
#include "cpu/conv_depthwise.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/conv_algorithms.h"
#include "cpu/conv_box.h"
#include "cpu/conv_pack_image.h"
#include "cpu/conv_taps.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::ConvPass;

inline constexpr int64_t kBoxBytes = 96 << 10;  // of a task's copy of x
inline constexpr int64_t kMaxBlockVectors = 4;
inline constexpr int64_t kMaxParts = 32;  // of the weight gradient

bool offers(ConvPass, const ConvShape& s, DType) {
  return s.groups == s.c && s.groups == s.k && s.c > 1 && boxes_fit(s);
}

// Channels in blocks of whole vectors; only the last may hold fewer channels than its width.
template <class T>
ChannelBlocks vector_blocks(int64_t c) {
  constexpr int64_t n = kLanes<T>;
  const int64_t vectors = (c + n - 1) / n,
                blocks = (vectors + kMaxBlockVectors - 1) / kMaxBlockVectors;
  const int64_t width = (vectors + blocks - 1) / blocks * n, needed = (c + width - 1) / width;
  return {needed, width, c - (needed - 1) * width};
}

template <class T>
BoxCut cut_depthwise(const TapSum& s, const ChannelBlocks& blocks) {
  const int64_t bytes =
      blocks.width * s.step[0] * s.step[1] * s.step[2] * static_cast<int64_t>(sizeof(T));
  const int64_t most = kBoxBytes / bytes;
  return cut_boxes({s.n, s.grid[0], s.grid[1], s.grid[2]}, most < 16 ? 16 : most, kDepthwisePixels);
}

// A block as the only one: x or y from its first channel on.
template <class T>
const T* block_begin(const T* a, const int64_t* stride, const ChannelBlocks& blocks,
                     int64_t block) {
  return a + block * blocks.width * stride[1];
}
ChannelBlocks only(const ChannelBlocks& blocks, int64_t block) {
  return {1, blocks.width, block + 1 == blocks.blocks ? blocks.last : blocks.width};
}

// Rows of the packed box: f(row of x, n, d, h) for every row of output positions.
template <class T, class F>
LAMINA_INLINE void for_each_row(const TapSum& s, const Box& box, const ImageBox<T>& image,
                                const T* packed, const F& f) {
  const int64_t row = image.size[2] * image.channels.width, plane = image.size[1] * row;
  for (int64_t n = 0; n < box.size[0]; ++n)
    for (int64_t d = 0; d < box.size[1]; ++d)
      for (int64_t h = 0; h < box.size[2]; ++h)
        f(packed + (n * image.size[0] + d * s.step[0]) * plane + h * s.step[1] * row, n, d, h);
}

// out[j * stride_pixel + l * stride_channel] = sum[j][l] for j < pixels, l < lanes
template <class T>
LAMINA_INLINE void store_depthwise(T* out, int64_t stride_pixel, int64_t stride_channel,
                                   const Vec<T> (&sum)[kDepthwisePixels], int64_t pixels,
                                   int64_t lanes) {
  constexpr int P = kDepthwisePixels, n = kLanes<T>;
  if (stride_channel == 1 && lanes >= n) {
    LAMINA_UNROLL
    for (int j = 0; j < P; ++j)
      if (j < pixels) store(out + j * stride_pixel, sum[j]);
    return;
  }
  alignas(64) T spilled[P][n];
  LAMINA_UNROLL
  for (int j = 0; j < P; ++j) store(spilled[j], sum[j]);
  for (int64_t j = 0; j < pixels; ++j)
    for (int64_t l = 0; l < lanes && l < n; ++l)
      out[j * stride_pixel + l * stride_channel] = spilled[j][l];
}

// A box of y = bias + sum over taps of x * w for one block; w [tap][width] and bias [width] are the
// block's.
template <class T>
void depthwise_box(const TapSum& s, const Box& box, const ChannelBlocks& blocks, int64_t block,
                   const T* x, const T* w, const T* bias, T* y) {
  constexpr int P = kDepthwisePixels, n = kLanes<T>;
  const ImageBox<T> image =
      input_box(s, box, block_begin(x, s.x_stride, blocks, block), only(blocks, block));
  const AxisTaps* a = s.axis;
  const int64_t width = blocks.width, row = image.size[2] * width, plane = image.size[1] * row;
  const int64_t pixel = s.step[2] * width;
  const int64_t elements = image.elements() + P * pixel;  // a row's last tile reads beyond its end
  Scratch scratch(elements * sizeof(T)), offsets((s.taps() + 1) * sizeof(int64_t));
  T* packed = scratch.as<T>();
  int64_t* rows = offsets.as<int64_t>();
  TapRows taps{rows, 0, a[2].count, a[2].offset_step * width};
  if (s.taps() > 0) {
    pack_image(image, packed);
    for (int64_t d = 0; d < a[0].count; ++d)
      for (int64_t h = 0; h < a[1].count; ++h)
        rows[taps.rows++] = d * a[0].offset_step * plane + h * a[1].offset_step * row;
  }
  const bool together = a[2].offset_step == s.step[2];
  const int64_t channels = image.channels.last;
  for_each_row(s, box, image, packed, [&](const T* from, int64_t in_box, int64_t d, int64_t h) {
    T* to = y + block * width * s.y_stride[1] + (box.begin[0] + in_box) * s.y_stride[0] +
            (box.begin[1] + d) * s.y_stride[2] + (box.begin[2] + h) * s.y_stride[3] +
            box.begin[3] * s.y_stride[4];
    for (int64_t o = 0; o < box.size[3]; o += P)
      for (int64_t c = 0; c < channels; c += n) {
        Vec<T> sum[P];
        LAMINA_UNROLL
        for (int j = 0; j < P; ++j) sum[j] = load(bias + c);
        if (together)
          depthwise_tile<T, true>(taps, from + o * pixel + c, pixel, w + c, width, sum);
        else
          depthwise_tile<T, false>(taps, from + o * pixel + c, pixel, w + c, width, sum);
        store_depthwise(to + o * s.y_stride[4] + c * s.y_stride[1], s.y_stride[4], s.y_stride[1],
                        sum, box.size[3] - o, channels - c);
      }
  });
}

// One sum over taps; w is (c, taps of the kernel).
template <class T>
void depthwise_sum(const TapSum& s, const ConvShape& shape, const T* x, const T* w, const T* bias,
                   T* y) {
  const ChannelBlocks blocks = vector_blocks<T>(shape.c);
  const int64_t width = blocks.width, padded = blocks.blocks * width, taps = s.taps();
  const int64_t kernel_taps = shape.kernel[0] * shape.kernel[1] * shape.kernel[2];
  Scratch scratch((taps + 1) * padded * sizeof(T));
  T* padded_bias = scratch.as<T>();
  T* packed = padded_bias + padded;  // [block][tap][width]
  for (int64_t c = 0; c < padded; ++c) {
    padded_bias[c] = bias && c < shape.c ? bias[c] : T(0);
    T* to = packed + (c / width * taps) * width + c % width;
    for_each_tap(s, shape, [&](int64_t position, int64_t t) {
      to[position * width] = c < shape.c ? w[c * kernel_taps + t] : T(0);
    });
  }
  const BoxCut cut = cut_depthwise<T>(s, blocks);
  parallel_for(cut.boxes() * blocks.blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t block = i % blocks.blocks;
      depthwise_box(s, cut.at(i / blocks.blocks), blocks, block, x, packed + block * taps * width,
                    padded_bias + block * width, y);
    }
  });
}

void fprop(const ConvShape& s, DType dtype, const ConvTensor& x, const void* w, const void* bias,
           const ConvTensor& y) {
  visit_real(dtype, [&](auto of) {
    using T = decltype(of);
    depthwise_sum(fprop_sum(s, x, y), s, static_cast<const T*>(x.data), static_cast<const T*>(w),
                  static_cast<const T*>(bias), static_cast<T*>(y.data));
  });
}

void dgrad(const ConvShape& s, DType dtype, const ConvTensor& dy, const void* w, const void* bias,
           const ConvTensor& dx) {
  visit_real(dtype, [&](auto of) {
    using T = decltype(of);
    for (int64_t residue = 0; residue < residues(s); ++residue) {
      const TapSum sum = dgrad_sum(s, dy, dx, residue);
      depthwise_sum(sum, s, static_cast<const T*>(dy.data), static_cast<const T*>(w),
                    static_cast<const T*>(bias), static_cast<T*>(dx.data) + sum.y_offset);
    }
  });
}

// dw[tap][width] += over a box of positions, for one block.
template <class T>
void depthwise_wgrad_box(const TapSum& s, const Box& box, const ChannelBlocks& blocks,
                         int64_t block, const T* x, const T* dy, T* dw) {
  constexpr int n = kLanes<T>;
  const ImageBox<T> image =
      input_box(s, box, block_begin(x, s.x_stride, blocks, block), only(blocks, block));
  const ImageBox<T> grads =
      output_box(s, box, block_begin(dy, s.y_stride, blocks, block), only(blocks, block));
  const AxisTaps* a = s.axis;
  const int64_t width = blocks.width, row = image.size[2] * width, plane = image.size[1] * row,
                taps = s.taps();
  Scratch scratch((image.elements() + grads.elements()) * sizeof(T)),
      offsets((taps + kDepthwiseTaps) * sizeof(int64_t));
  T* packed = scratch.as<T>();
  T* packed_dy = packed + image.elements();
  pack_image(image, packed);
  pack_image(grads, packed_dy);
  int64_t* tap = offsets.as<int64_t>();
  for (int64_t t = 0; t < taps + kDepthwiseTaps; ++t) {
    const int64_t w = t % a[2].count, h = t / a[2].count % a[1].count,
                  d = t / a[2].count / a[1].count;
    tap[t] = t < taps ? d * a[0].offset_step * plane + h * a[1].offset_step * row +
                            w * a[2].offset_step * width
                      : 0;
  }
  for (int64_t c = 0; c < image.channels.last; c += n)
    for (int64_t t = 0; t < taps; t += kDepthwiseTaps) {
      Vec<T> sum[kDepthwiseTaps];
      LAMINA_UNROLL
      for (int i = 0; i < kDepthwiseTaps; ++i)
        sum[i] = t + i < taps ? load(dw + (t + i) * width + c) : Vec<T>{};
      const T* g = packed_dy + c;
      for_each_row(s, box, image, packed, [&](const T* from, int64_t, int64_t, int64_t) {
        depthwise_wgrad_row(from + c, s.step[2] * width, tap + t, g, width, box.size[3], sum);
        g += box.size[3] * width;
      });
      LAMINA_UNROLL
      for (int i = 0; i < kDepthwiseTaps; ++i)
        if (t + i < taps) store(dw + (t + i) * width + c, sum[i]);
    }
}

// Parts of the boxes, cut by the problem alone, have sums of their own that are added in order.
void wgrad(const ConvShape& s, DType dtype, const ConvTensor& x, const ConvTensor& dy, void* dw) {
  visit_real(dtype, [&](auto of) {
    using T = decltype(of);
    const TapSum sum = fprop_sum(s, x, dy);
    const ChannelBlocks blocks = vector_blocks<T>(s.c);
    const BoxCut cut = cut_depthwise<T>(sum, blocks);
    const int64_t parts = cut.boxes() < kMaxParts ? cut.boxes() : kMaxParts, taps = sum.taps();
    const int64_t block_elements = taps * blocks.width,
                  part_elements = blocks.blocks * block_elements;
    Scratch scratch(parts * part_elements * sizeof(T));
    T* part_dw = scratch.as<T>();
    parallel_for(parts * blocks.blocks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t part = i / blocks.blocks, block = i % blocks.blocks;
        T* to = part_dw + part * part_elements + block * block_elements;
        fill_zero(to, block_elements);
        for (int64_t b = cut.boxes() * part / parts; b < cut.boxes() * (part + 1) / parts; ++b)
          depthwise_wgrad_box(sum, cut.at(b), blocks, block, static_cast<const T*>(x.data),
                              static_cast<const T*>(dy.data), to);
      }
    });
    for (int64_t c = 0; c < s.c; ++c)
      for (int64_t t = 0; t < taps; ++t) {
        const T* from = part_dw + (c / blocks.width * taps + t) * blocks.width + c % blocks.width;
        T total = 0;
        for (int64_t part = 0; part < parts; ++part) total += from[part * part_elements];
        static_cast<T*>(dw)[c * taps + t] = total;
      }
  });
}

}  // namespace

constinit const ConvRoutines depthwise_conv{&offers, &offers, &fprop, &dgrad, &wgrad};

}  // namespace lamina::cpu::LAMINA_ISA

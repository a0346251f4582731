// Rows of an activation in the order in which kernels over lanes read them, [slot][vector][pixel]
// [lane], with zeros for padding.
//
// A ring of as many rows as one row of positions meets.  Each row is copied once for a band of
// positions, from any layout, and read from L1 by every row of the kernel; memory is read by the copy
// alone, in order.
#pragma once

#include "core/memory.h"
#include "cpu/conv_lanes.h"
#include "cpu/conv_pack_image.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int64_t kSmallRingBytes = 28 << 10, kLargeRingBytes = 128 << 10;
inline constexpr int64_t kLaneTaskWork = 1 << 15;  // multiply-adds of vectors: some 10 microseconds

// An activation of any layout.
template <class T>
struct LaneSource {
  const T* data;
  const int64_t* stride;  // (N, C, D, H, W)
  const int64_t* extent;  // (D, H, W)
  int64_t channels;
};

// Pixels [0, width) of a ring's row are columns [column, column + width) of the activation, of which
// those outside are zeros.
struct RingShape {
  int64_t slots, width, column;
};

template <class T>
class LaneRing {
 public:
  // Of `vectors` vectors; vector v begins at channel first(v).
  template <class First>
  LaneRing(const LaneSource<T>& source, const RingShape& shape, int64_t vectors, const First& first)
      : source_(source),
        shape_(shape),
        vectors_(vectors),
        scratch_(shape.slots * vectors * shape.width * n * sizeof(T)),
        channels_(vectors * sizeof(int64_t)) {
    for (int64_t v = 0; v < vectors; ++v) channel(v) = first(v);
    from_ = clamp(-shape.column, 0, shape.width);
    pixels_ = clamp(source.extent[2] - shape.column, from_, shape.width) - from_;
    for (int64_t row = 0; row < shape.slots * vectors; ++row) {
      T* to = scratch_.template as<T>() + row * shape.width * n;
      fill_zero(to, from_ * n);
      fill_zero(to + (from_ + pixels_) * n, (shape.width - from_ - pixels_) * n);
    }
  }

  // Pixel 0 of a slot's row of the first vector; elements from a vector's row to the next.
  LAMINA_INLINE T* at(int64_t slot) const {
    return scratch_.template as<T>() + slot * vectors_ * vector_step();
  }
  LAMINA_INLINE int64_t vector_step() const { return shape_.width * n; }

  // Where pixel 0 of row (d, h) comes from.
  LAMINA_INLINE const T* pixel(int64_t image, int64_t d, int64_t h) const {
    const int64_t* stride = source_.stride;
    return source_.data + image * stride[0] + d * stride[2] + h * stride[3] +
           shape_.column * stride[4];
  }

  // Copies row (d, h) of an image, which exists.
  void copy(int64_t slot, int64_t image, int64_t d, int64_t h) const {
    const int64_t* stride = source_.stride;
    const T* row = pixel(image, d, h) + from_ * stride[4];
    T* to = at(slot) + from_ * n;
    const int64_t step = vector_step();
    if (stride[1] == 1 && channel(vectors_ - 1) + n <= source_.channels) {
      // Locals, as the stores could alias members; pixel by pixel, in the order of memory.
      const int64_t pixels = pixels_, pixel = stride[4], count = vectors_;
      const int64_t* channels = channels_.template as<int64_t>();
      for (int64_t w = 0; w < pixels; ++w, row += pixel, to += n)
        for (int64_t v = 0; v < count; ++v) store(to + v * step, load(row + channels[v]));
      return;
    }
    for (int64_t v = 0; v < vectors_; ++v) {
      const int64_t rest = source_.channels - channel(v);
      transpose_row(to + v * step, n, row + channel(v) * stride[1], stride[1], stride[4],
                    rest < n ? rest : n, pixels_);
    }
  }

 private:
  static constexpr int64_t n = kLanes<T>;
  LAMINA_INLINE int64_t& channel(int64_t v) const { return channels_.template as<int64_t>()[v]; }

  LaneSource<T> source_;
  RingShape shape_;
  int64_t vectors_, from_, pixels_;
  Scratch scratch_, channels_;
};

// The rows of x that rows of positions meet, in rings of one slot a row and depth.
template <class T>
class MetRows {
 public:
  template <class First>
  MetRows(const TapSum& s, const LaneSource<T>& x, int64_t width, int64_t vectors,
          const First& first)
      : sum_(s), ring_(x, {s.axis[0].count * span(s), width, s.axis[2].offset}, vectors, first) {}

  // Rows of x between the first and the last that a position meets.
  static int64_t span(const TapSum& s) {
    return s.axis[1].count > 0 ? (s.axis[1].count - 1) * s.axis[1].offset_step + 1 : 0;
  }

  LAMINA_INLINE int64_t vector_step() const { return ring_.vector_step(); }

  // Makes the rows that row h of positions at depth d of an image meets; h rises by one, or `first`.
  void advance(int64_t image, int64_t d, int64_t h, bool first) {
    const int64_t begin = h * sum_.step[1] + sum_.axis[1].offset, end = begin + span(sum_);
    next_ = first || next_ < begin ? begin : next_;
    for (; next_ < end; ++next_) {
      if (next_ < 0 || next_ >= sum_.in[1]) continue;
      for (int64_t i = 0; i < sum_.axis[0].count; ++i) {
        const int64_t at = depth(d, i);
        if (at >= 0 && at < sum_.in[0]) ring_.copy(slot(i, next_), image, at, next_);
      }
    }
  }

  // Pixel 0 of the first row of x, of all vectors, that row h + 1 of positions meets and row h does
  // not; to prefetch, as it may not exist.
  LAMINA_INLINE const T* ahead(int64_t image, int64_t d, int64_t h) const {
    return ring_.pixel(image, depth(d, 0), h * sum_.step[1] + sum_.axis[1].offset + span(sum_));
  }

  // The first vector's row that kernel row (i, j) meets from row h of positions, null outside x; the
  // other vectors' follow at vector_step().
  LAMINA_INLINE const T* row(int64_t d, int64_t h, int64_t i, int64_t j) const {
    const int64_t at = h * sum_.step[1] + sum_.axis[1].offset + j * sum_.axis[1].offset_step;
    if (at < 0 || at >= sum_.in[1] || depth(d, i) < 0 || depth(d, i) >= sum_.in[0]) return nullptr;
    return ring_.at(slot(i, at));
  }

 private:
  LAMINA_INLINE int64_t depth(int64_t d, int64_t i) const {
    return d * sum_.step[0] + sum_.axis[0].offset + i * sum_.axis[0].offset_step;
  }
  LAMINA_INLINE int64_t slot(int64_t i, int64_t h) const { return i * span(sum_) + h % span(sum_); }

  TapSum sum_;
  LaneRing<T> ring_;
  int64_t next_ = 0;
};

// Vectors [first, last) of a block, of equal numbers to within one.
struct Blocks {
  int64_t vectors, blocks;
  LAMINA_INLINE int64_t first(int64_t block) const { return vectors * block / blocks; }
};

// As many vectors as keep a ring of rows of x in L1; in L2 where a kernel is so small that reading x
// from memory, in long strips, is what counts.
template <class T>
Blocks cut_vectors(const TapSum& s, int64_t vectors) {
  const int64_t ring_bytes = s.taps() <= 9 ? kLargeRingBytes : kSmallRingBytes;
  const int64_t bytes =
      s.axis[0].count * MetRows<T>::span(s) * lane_columns(s).pixels(kMostPositions) * kVectorBytes;
  const int64_t most = clamp(ring_bytes / (bytes + 1), 1, 16);
  return {vectors, ceil_div(vectors, most)};
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

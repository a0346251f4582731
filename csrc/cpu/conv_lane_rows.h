// Rows of an activation for kernels whose vectors run over channels: where they lie, if the channels
// of a pixel lie together, else a copy in which they do.
#pragma once

#include "core/memory.h"
#include "cpu/conv_pack_image.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// Pixels a multiple of 2 KB apart share so few lines of L1 that a copy is faster.
template <class T>
LAMINA_INLINE bool lies_well(const int64_t* stride) {
  return stride[1] == 1 && stride[4] * static_cast<int64_t>(sizeof(T)) % 2048 != 0;
}

// What to read of an activation of any layout.
template <class T>
struct LaneSource {
  const T* data;
  const int64_t* stride;  // (N, C, D, H, W)
  const int64_t* extent;  // (D, H, W)
  int64_t channels;
  bool in_place;
};

// Depths [d_begin, d_end) and rows [h_begin, h_end) of an image, as far as they exist.
struct RowRange {
  int64_t n, d_begin, d_end, h_begin, h_end;
};

template <class T>
class LaneRows {
 public:
  // `vectors` whole vectors of channels from `channel` on, of which those beyond the last have any
  // content.
  LaneRows(const LaneSource<T>& a, const RowRange& wanted, int64_t channel, int64_t width)
      : range_(clip(a, wanted)), scratch_(a.in_place ? 0 : elements(a, width) * sizeof(T)) {
    if (a.in_place) {
      pixel = a.stride[4];
      row_ = a.stride[3];
      plane_ = a.stride[2];
      first_ = a.data + range_.n * a.stride[0] + range_.d_begin * plane_ + range_.h_begin * row_;
      return;
    }
    pixel = width;
    row_ = a.extent[2] * width;
    plane_ = (range_.h_end - range_.h_begin) * row_;
    first_ = scratch_.template as<T>() - channel;
    const int64_t rest = a.channels - channel;
    pack_image(
        ImageBox<T>{a.data + channel * a.stride[1],
                    a.stride,
                    a.extent,
                    range_.n,
                    1,
                    {range_.d_begin, range_.h_begin, 0},
                    {range_.d_end - range_.d_begin, range_.h_end - range_.h_begin, a.extent[2]},
                    {1, width, rest < width ? rest : width}},
        scratch_.template as<T>());
  }

  // Channel 0 of the row's first pixel; null outside.
  LAMINA_INLINE const T* row(int64_t d, int64_t h) const {
    if (d < range_.d_begin || d >= range_.d_end || h < range_.h_begin || h >= range_.h_end)
      return nullptr;
    return first_ + (d - range_.d_begin) * plane_ + (h - range_.h_begin) * row_;
  }

  int64_t pixel;  // elements from one to the next

 private:
  static RowRange clip(const LaneSource<T>& a, RowRange r) {
    r.d_begin = clamp(r.d_begin, 0, a.extent[0]);
    r.d_end = clamp(r.d_end, r.d_begin, a.extent[0]);
    r.h_begin = clamp(r.h_begin, 0, a.extent[1]);
    r.h_end = clamp(r.h_end, r.h_begin, a.extent[1]);
    return r;
  }
  int64_t elements(const LaneSource<T>& a, int64_t width) const {
    return (range_.d_end - range_.d_begin) * (range_.h_end - range_.h_begin) * a.extent[2] * width;
  }

  RowRange range_;
  Scratch scratch_;
  const T* first_;
  int64_t row_, plane_;
};

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

// Activations whose lanes are images: [position][channel][image], packed from and stored to any
// layout by squares of lanes x lanes elements.
#pragma once

#include "cpu/conv_box.h"
#include "cpu/conv_epilogue.h"
#include "cpu/conv_taps.h"
#include "cpu/lane_transpose.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// Vectors of images that a register tile takes.
#if defined(__AVX512F__)
inline constexpr int kImagePlaces = 4;
#else
inline constexpr int kImagePlaces = 2;
#endif
template <class T>
inline constexpr int64_t kGroupImages = kImagePlaces * kLanes<T>;

struct ImageGroup {
  int64_t first, images;
  int64_t lanes;  // of a packed element: the images filled up to a tile's
};

// The last group is packed for the half tile where that holds it.
template <class T>
LAMINA_INLINE ImageGroup image_group(int64_t images, int64_t index) {
  const int64_t first = index * kGroupImages<T>, left = images - first, half = kGroupImages<T> / 2;
  return {first, smaller(left, kGroupImages<T>), left <= half ? half : kGroupImages<T>};
}

// to[i * step + lane] = from[lane * image + i] for i < count; zero in lanes from `images` on.
template <class T>
void images_to_lanes(const T* from, int64_t image, int64_t images, int64_t count, T* to,
                     int64_t step) {
  constexpr int n = kLanes<T>;
  if (count < n) {
    for (int64_t i = 0; i < count; ++i)
      for (int64_t lane = 0; lane < n; ++lane)
        to[i * step + lane] = lane < images ? from[lane * image + i] : T(0);
    return;
  }
  for (int64_t i = 0; i < count; i += n) {
    const int64_t at = smaller(i, count - n);  // the last square overlaps the one before
    Vec<T> rows[n];
    for (int lane = 0; lane < n; ++lane)
      rows[lane] = lane < images ? load(from + lane * image + at) : Vec<T>{};
    transpose_lanes<T>(rows);
    for (int j = 0; j < n; ++j) store(to + (at + j) * step, rows[j]);
  }
}

// to[lane * image + i] = from[i * step + lane] after the epilogue, for i < count and lane < images.
template <class T>
void lanes_to_images(const T* from, int64_t step, int64_t count, T* to, int64_t image,
                     int64_t images, const Epilogue<T>& epilogue) {
  constexpr int n = kLanes<T>;
  if (count < n) {
    for (int64_t i = 0; i < count; ++i)
      for (int64_t lane = 0; lane < images; ++lane) {
        T* y = to + lane * image + i;
        *y = epilogue.apply(from[i * step + lane], y);
      }
    return;
  }
  for (int64_t i = 0; i < count; i += n) {
    const int64_t at = smaller(i, count - n);
    Vec<T> rows[n];
    for (int j = 0; j < n; ++j) rows[j] = load(from + (at + j) * step);
    transpose_lanes<T>(rows);
    for (int lane = 0; lane < n; ++lane) {
      if (lane >= images) break;
      T* y = to + lane * image + at;
      store(y, epilogue.apply(rows[lane], y));
    }
  }
}

// Calls f(offset of x's run, its length, packed element, elements from one to the next) for runs of
// neighbours that cover an image: the channels of a pixel, or pixels of a channel.
template <class F>
LAMINA_INLINE void for_image_runs(const int64_t* size, int64_t channels, const int64_t* stride,
                                  const F& f) {
  const bool by_pixel = stride[1] == 1 && (stride[4] != 1 || channels > size[2]);
  const bool plane = stride[4] == 1 && stride[3] == size[2];
  const int64_t width = by_pixel || stride[4] != 1 ? 1 : plane ? size[1] * size[2] : size[2];
  const int64_t pixels = size[0] * size[1] * size[2];
  for (int64_t p = 0; p < pixels; p += width) {
    const int64_t w = p % size[2], h = p / size[2] % size[1], d = p / size[2] / size[1];
    const int64_t at = d * stride[2] + h * stride[3] + w * stride[4];
    if (by_pixel)
      f(at, channels, p * channels, 1);
    else
      for (int64_t c = 0; c < channels; ++c)
        f(at + c * stride[1], width, p * channels + c, channels);
  }
}

// Vector `place` of a group's images of x, of any layout.
template <class T>
void pack_image_lanes(const int64_t* size, int64_t channels, const int64_t* stride,
                      const ImageGroup& group, int64_t place, const T* x, T* to) {
  constexpr int64_t n = kLanes<T>;
  if (place * n >= group.lanes) return;
  const int64_t images = clamp(group.images - place * n, 0, n);
  const T* from = x + (group.first + place * n) * stride[0];
  for_image_runs(size, channels, stride,
                 [&](int64_t at, int64_t count, int64_t element, int64_t step) {
                   images_to_lanes(from + at, stride[0], images, count,
                                   to + element * group.lanes + place * n, step * group.lanes);
                 });
}

// Output rows [begin, end) of a group from [position][k][image] to y.
template <class T>
void store_image_lanes(const TapSum& s, const ImageGroup& group, const T* from, int64_t begin,
                       int64_t end, T* y, const Epilogue<T>& epilogue) {
  constexpr int64_t n = kLanes<T>;
  // Rows of one plane: as an image of the size (1, rows, width); others row by row.
  const bool flat = s.grid[0] == 1;
  const int64_t rows = flat ? end - begin : 1;
  const int64_t size[kConvDims] = {1, rows, s.grid[2]};
  for (int64_t row = begin; row < end; row += rows) {
    T* to = y + s.y_offset + row / s.grid[1] * s.y_stride[2] + row % s.grid[1] * s.y_stride[3];
    const T* made = from + (row - begin) * s.grid[2] * s.k * group.lanes;
    for (int64_t first = 0; first < group.images; first += n)
      for_image_runs(size, s.k, s.y_stride,
                     [&](int64_t at, int64_t count, int64_t element, int64_t step) {
                       lanes_to_images(made + element * group.lanes + first, step * group.lanes,
                                       count, to + at + (group.first + first) * s.y_stride[0],
                                       s.y_stride[0], smaller(n, group.images - first), epilogue);
                     });
  }
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

// Arrays of images: (N, C, D, H, W) in memory order N, C, D, H, W, or with channels last N, D, H, W, C,
// and which of their elements a thread works on.
//
// A thread takes an element, or four neighbours by 128-bit accesses: columns of a plane, or channels
// that come last.
#pragma once

#include "cuda/columns.h"

namespace lamina::cuda {

// Bound to two blocks a multiprocessor where ptxas would spill, as in rows.h.
inline constexpr int kImageThreads = 256, kImageDims = 3;  // depth, height, width

// A plane, or an image whose channels come last.
template <bool last>
struct ImageArray {
  int64_t size[kImageDims];
  int64_t channels;  // that lie together: 1 in planes

  // sizes: int64_t or WideDivisor.
  template <class Size>
  __device__ ImageArray(const Size (&sizes)[kImageDims], int64_t count)
      : size{sizes[0], sizes[1], sizes[2]}, channels(last ? count : 1) {}

  __device__ int64_t volume() const { return size[0] * size[1] * size[2] * channels; }
  __device__ int64_t at(int64_t d, int64_t h, int64_t w) const {
    return ((d * size[1] + h) * size[2] + w) * channels;
  }
};

// The array that is written: its items are `width` neighbours.
struct ImageItems {
  int64_t count, channels;
  WideDivisor run;  // items of a row, or of a pixel
  WideDivisor size[kImageDims];

  ImageItems(int64_t batch, int64_t channels_, const int64_t (&sizes)[kImageDims],
             bool channels_last, int width)
      : count(batch * channels_ * sizes[0] * sizes[1] * sizes[2] / width),
        channels(channels_),
        run((channels_last ? channels_ : sizes[2]) / width),
        size{WideDivisor(sizes[0]), WideDivisor(sizes[1]), WideDivisor(sizes[2])} {}
};

// Where an item lies.
template <bool last, int width>
struct ImagePlace {
  int64_t unit;               // the plane, or the image
  int64_t place[kImageDims];  // in planes that of the first of its columns
  int64_t channel;            // where channels come last, the first of its channels

  __device__ ImagePlace(int64_t item, const ImageItems& items) {
    int64_t rest = item / items.run;
    const int64_t within = (item - rest * items.run.value) * width;
    channel = last ? within : 0;
    place[2] = within;
    for (int d = last ? 2 : 1; d >= 0; --d) {
      const int64_t next = rest / items.size[d];
      place[d] = rest - next * items.size[d].value;
      rest = next;
    }
    unit = rest;
  }
};

// Whether items of an array whose rows are `columns` long can be packs, with these arrays.
inline bool image_packs(bool channels_last, int64_t channels, int64_t columns, DType dtype,
                        std::initializer_list<const void*> arrays) {
  bool packs = (channels_last ? channels : columns) % kPack == 0;
  for (const void* data : arrays) packs = packs && aligned_for_packs(data, dtype);
  return packs;
}

// f(last, width) with both as constants.
template <class F>
void visit_image(bool channels_last, bool packs, F f) {
  using One = std::integral_constant<int, 1>;
  using Four = std::integral_constant<int, kPack>;
  if (channels_last)
    packs ? f(std::true_type(), Four()) : f(std::true_type(), One());
  else
    packs ? f(std::false_type(), Four()) : f(std::false_type(), One());
}

}  // namespace lamina::cuda

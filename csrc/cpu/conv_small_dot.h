// Sums over taps with few output channels and many input channels: the input gradient of a stem
// (64 -> 3), a last layer (64 -> 1).
//
//   y[n, k, o] = bias[k] + sum over t, c of x[n, o + t, c] * w[t, k, c]
//
// Vectors run over the input channels c, so that 3 outputs cost 3 lanes' work and not 16
// (conv_small_dot_tile.h).  A box of x is copied channels-last, channels filled up to whole vectors
// with zeros, once for all residues of a strided gradient.
//
// Where padding is a small part, the box has it and a tile's positions are neighbours.  On small
// images (a 5x5 kernel's gradient, 10x10 to 14x14: half of the products would be with padding) a
// tile has the same position of several images, and leaves out the taps that fall outside.
#pragma once

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/conv_pack_image.h"
#include "cpu/conv_small_dot_tile.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int64_t kDotBoxBytes = 128 << 10;  // of packed x: half of L2 at most
inline constexpr int64_t kDotRowBytes = 9 << 10;    // the rows that a tile meets stay in L1
inline constexpr double kMostPadding = 0.15;        // of the products

// The sums of a pass, all on the same packed boxes.
template <class T>
struct DotPass {
  const TapSum* sums;
  const int64_t* weights;  // where each sum's begin in w
  int64_t count;
  TapSum all;     // their union
  int64_t width;  // channels in whole vectors
  bool by_image;  // a tile's positions are those of several images
  BoxCut cut;

  const T *x, *w, *bias;
  T* y;
  Epilogue<T> epilogue;

  void cut_boxes_of(int64_t taps);
  ImageBox<T> image(const Box& box) const;
  void run(const Box& box, T* packed, DotRun* runs) const;
  void neighbours(const TapSum& s, DotPlaces<T>& places, const Box& box, const ImageBox<T>& image,
                  const T* packed, DotRun* runs) const;
  void images(const TapSum& s, DotPlaces<T>& places, const Box& box, const ImageBox<T>& image,
              const T* packed, DotRun* runs) const;
};

template <class T>
LAMINA_INLINE T* output_at(const TapSum& s, T* y, const Box& box, int64_t n, const int64_t* o) {
  y += s.y_offset + (box.begin[0] + n) * s.y_stride[0];
  for (int d = 0; d < kConvDims; ++d) y += (box.begin[1 + d] + o[d]) * s.y_stride[2 + d];
  return y;
}

template <class T>
void DotPass<T>::neighbours(const TapSum& s, DotPlaces<T>& places, const Box& box,
                            const ImageBox<T>& image, const T* packed, DotRun* runs) const {
  const AxisTaps* a = s.axis;
  const int64_t row = image.size[2] * width, plane = image.size[1] * row, k = s.k;
  const int64_t stride[kConvDims] = {plane, row, width};
  int64_t first = 0;  // of the sum's taps in the united box
  for (int d = 0; d < kConvDims; ++d) first += (a[d].offset - all.axis[d].offset) * stride[d];
  const int64_t together = a[2].offset_step == 1 ? a[2].count : 1;
  DotRuns taps{runs, 0, together * width / kLanes<T>};
  for (int64_t d = 0; d < a[0].count; ++d)
    for (int64_t h = 0; h < a[1].count; ++h)
      for (int64_t t = 0; t < a[2].count; t += together) {
        const int64_t x_at = first + d * a[0].offset_step * plane + h * a[1].offset_step * row +
                             t * a[2].offset_step * width;
        runs[taps.count] = {x_at, taps.count * together * width * k};
        ++taps.count;
      }
  for (int64_t n = 0; n < box.size[0]; ++n)
    for (int64_t d = 0; d < box.size[1]; ++d)
      for (int64_t h = 0; h < box.size[2]; ++h) {
        const T* from = packed + (n * image.size[0] + d * s.step[0]) * plane + h * s.step[1] * row;
        const int64_t at[kConvDims] = {d, h, 0};
        T* to = output_at(s, y, box, n, at);
        for (int64_t o = 0; o < box.size[3]; ++o)
          places.add(taps, from + o * s.step[2] * width, to + o * s.y_stride[4]);
      }
  places.flush(taps);
}

template <class T>
void DotPass<T>::images(const TapSum& s, DotPlaces<T>& places, const Box& box,
                        const ImageBox<T>& image, const T* packed, DotRun* runs) const {
  const AxisTaps* a = s.axis;
  const int64_t row = image.size[2] * width, plane = image.size[1] * row, k = s.k;
  const int64_t one = image.size[0] * plane;
  int64_t o[kConvDims];
  for (o[0] = 0; o[0] < box.size[1]; ++o[0])
    for (o[1] = 0; o[1] < box.size[2]; ++o[1])
      for (o[2] = 0; o[2] < box.size[3]; ++o[2]) {
        const TapRange d = taps_inside(s, 0, o[0]), h = taps_inside(s, 1, o[1]),
                       t = taps_inside(s, 2, o[2]);
        const int64_t inside = t.last > t.first ? t.last - t.first : 0;
        const int64_t together = a[2].offset_step == 1 ? inside : 1;
        DotRuns taps{runs, 0, together * width / kLanes<T>};
        for (int64_t i = d.first; i < d.last; ++i)
          for (int64_t j = h.first; j < h.last; ++j)
            for (int64_t l = t.first; l < t.last; l += together) {
              const int64_t x_d = o[0] * s.step[0] + a[0].offset + i * a[0].offset_step,
                            x_h = o[1] * s.step[1] + a[1].offset + j * a[1].offset_step,
                            x_w = o[2] * s.step[2] + a[2].offset + l * a[2].offset_step;
              const int64_t tap = (i * a[1].count + j) * a[2].count + l;
              runs[taps.count++] = {x_d * plane + x_h * row + x_w * width, tap * width * k};
            }
        for (int64_t n = 0; n < box.size[0]; ++n)
          places.add(taps, packed + n * one, output_at(s, y, box, n, o));
        places.flush(taps);
      }
}

// By image the box is whole images without padding.
template <class T>
ImageBox<T> DotPass<T>::image(const Box& box) const {
  const ChannelBlocks channels{1, width, all.c};
  if (!by_image) return input_box(all, box, x, channels);
  return {x,
          all.x_stride,
          all.in,
          box.begin[0],
          box.size[0],
          {0, 0, 0},
          {all.in[0], all.in[1], all.in[2]},
          channels};
}

template <class T>
void DotPass<T>::run(const Box& box, T* packed, DotRun* runs) const {
  const ImageBox<T> inputs = image(box);
  pack_image(inputs, packed);
  for (int64_t i = 0; i < count; ++i) {
    const TapSum& s = sums[i];
    DotPlaces<T> places{
        kDotTiles<T>[s.k - 1], s.k, s.y_stride[1], w + weights[i], bias, epilogue, {}, {}, 0};
    if (by_image)
      images(s, places, clip(box, s), inputs, packed, runs);
    else
      neighbours(s, places, clip(box, s), inputs, packed, runs);
  }
}

// The share of a pass's products that are with padding.
LAMINA_INLINE double padding_share(const TapSum* sums, int64_t count) {
  double all = 0, inside = 0;
  for (int64_t i = 0; i < count; ++i) {
    double of_all = 1, of_inside = 1;
    for (int d = 0; d < kConvDims; ++d) {
      int64_t met = 0;
      for (int64_t o = 0; o < sums[i].grid[d]; ++o) {
        const TapRange t = taps_inside(sums[i], d, o);
        met += t.last > t.first ? t.last - t.first : 0;
      }
      of_inside *= static_cast<double>(met);
      of_all *= static_cast<double>(sums[i].grid[d] * sums[i].axis[d].count);
    }
    all += of_all;
    inside += of_inside;
  }
  return all > 0 ? 1 - inside / all : 0;
}

template <class T>
void DotPass<T>::cut_boxes_of(int64_t taps) {
  constexpr int64_t element = sizeof(T);
  const int64_t work = taps * width * all.k;  // of a position with all its residues
  const int64_t image_bytes = all.in[0] * all.in[1] * all.in[2] * width * element;
  const int64_t places = kDotTiles<T>[all.k - 1].places;
  by_image = all.n >= places && 2 * places * image_bytes <= kDotBoxBytes &&
             padding_share(sums, count) > kMostPadding;
  if (by_image) {  // as many images as are worth a task, in whole tiles
    const int64_t positions = all.grid[0] * all.grid[1] * all.grid[2];
    const int64_t images = clamp(kSmallTaskWork / (positions * work), 2 * places,
                                 clamp(kDotBoxBytes / image_bytes, 2 * places, all.n));
    cut = cut_boxes({1, 1, 1, 1}, 1, 1);
    cut.extent[0] = all.n;
    cut.box[0] = images / places * places;
    cut.count[0] = ceil_div(all.n, cut.box[0]);
    for (int d = 0; d < kConvDims; ++d) cut.extent[1 + d] = cut.box[1 + d] = all.grid[d];
    return;
  }
  const int64_t position_bytes = width * all.step[0] * all.step[1] * all.step[2] * element;
  const int64_t most =
      clamp(kSmallTaskWork / work, 16, clamp(kDotBoxBytes / position_bytes, 16, INT64_MAX));
  cut = cut_square_boxes(all, most,
                         clamp(kDotRowBytes / (width * all.step[2] * element), 8, INT64_MAX));
}

// w is w[k * stride_k + c * stride_c + tap]
template <class T>
void pack_dot_weights(const TapSum& s, const ConvShape& shape, const T* w, int64_t stride_k,
                      int64_t stride_c, int64_t width, T* to) {
  constexpr int n = kLanes<T>;
  for_each_tap(s, shape, [&](int64_t position, int64_t t) {
    for (int64_t k = 0; k < s.k; ++k)
      for (int64_t c = 0; c < width; ++c)
        to[(position * width / n + c / n) * s.k * n + k * n + c % n] =
            c < s.c ? w[k * stride_k + c * stride_c + t] : T(0);
  });
}

template <class T>
void run_dot_sums(const TapSum* sums, int64_t count, const ConvShape& shape, const T* w,
                  int64_t stride_k, int64_t stride_c, const T* x, const T* bias, T* y,
                  const Epilogue<T>& epilogue) {
  constexpr int64_t n = kLanes<T>;
  DotPass<T> pass{};
  pass.sums = sums;
  pass.count = count;
  pass.all = unite(sums, count);
  pass.width = ceil_div(sums[0].c, n) * n;
  pass.x = x;
  pass.bias = bias;
  pass.y = y;
  pass.epilogue = epilogue;

  const int64_t taps = shape.kernel[0] * shape.kernel[1] * shape.kernel[2];
  Scratch packed_weights(taps * pass.width * sums[0].k * sizeof(T));
  Scratch begins(count * sizeof(int64_t));
  int64_t* begin_of = begins.as<int64_t>();
  int64_t before = 0;
  for (int64_t i = 0; i < count; ++i) {
    begin_of[i] = before;
    pack_dot_weights(sums[i], shape, w, stride_k, stride_c, pass.width,
                     packed_weights.as<T>() + before);
    before += sums[i].taps() * pass.width * sums[0].k;
  }
  pass.weights = begin_of;
  pass.w = packed_weights.as<T>();

  pass.cut_boxes_of(taps);
  const BoxCut& cut = pass.cut;
  const int64_t elements =
      pass.image({{}, {cut.box[0], cut.box[1], cut.box[2], cut.box[3]}}).elements();
  parallel_for(cut.boxes(), 1, [&](int64_t begin, int64_t end) {
    Scratch packed(elements * sizeof(T)), runs((taps + 1) * sizeof(DotRun));
    if (pass.width != pass.all.c)
      fill_zero(packed.as<T>(), elements);  // the lanes beyond the channels
    for (int64_t i = begin; i < end; ++i) pass.run(cut.at(i), packed.as<T>(), runs.as<DotRun>());
  });
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

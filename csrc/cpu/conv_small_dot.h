// Sums over taps with few output channels and many input channels: the input gradient of a stem
// (64 -> 3), a last layer (64 -> 1).
//
//   y[n, k, o] = bias[k] + sum over t, c of x[n, o + t, c] * w[t, k, c]
//
// Vectors run over the input channels c, so that 3 outputs cost 3 lanes' work and not 16.  Register
// tile: K outputs by P positions, each with a vector of partial sums: K + P loads for K * P
// multiply-adds.  The lanes are added at the end by pairs of shuffles, 2 an output.  A box of x is
// copied with its padding (channels-last, channels filled up to whole vectors with zeros) once for
// all residues of a strided gradient.
#pragma once

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/conv_pack_image.h"
#include "cpu/conv_small.h"
#include "cpu/shuffle.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int kMaxDotOutputs = 12;
inline constexpr int kMaxDotSums = 24;  // of a tile
inline constexpr int64_t kDotBoxBytes = 128 << 10;  // of packed x: half of L2 at most
inline constexpr int64_t kDotBoxWidth = 24;         // rows of a tile's inputs stay in L1

// Runs of inputs that lie together in x, as their weights do.
struct DotRuns {
  const int64_t* offset;
  int64_t count, vectors;  // of a run
};

// sums[i] = the lanes of v[i] added up, i < G (a power of two, at most the lanes).
template <class T, int G>
LAMINA_INLINE void add_lanes(Vec<T>* v, T* sums) {
  constexpr int n = kLanes<T>;
  using Indices = std::make_integer_sequence<int, n>;
  // Interleaving rows i and i + m moves the row's bit into the lane's index and adds up half of the
  // lanes.
  LAMINA_UNROLL
  for (int m = G / 2; m > 0; m /= 2)
    LAMINA_UNROLL
    for (int i = 0; i < m; ++i) v[i] = interleave<T, 0>(v[i], v[i + m], Indices{}) + interleave<T, n / 2>(v[i], v[i + m], Indices{});
  using Lanes = typename CountLanes<n>::Type;
  if constexpr (n / 2 >= G) v[0] += rotate<n / 2>(v[0], Lanes{});
  if constexpr (n / 4 >= G) v[0] += rotate<n / 4>(v[0], Lanes{});
  if constexpr (n / 8 >= G) v[0] += rotate<n / 8>(v[0], Lanes{});
  alignas(64) T lanes[n];
  store(lanes, v[0]);
  LAMINA_UNROLL
  for (int i = 0; i < G; ++i) sums[i] = lanes[i];
}

// sums[k * P + p] = sum over the runs of x[in[p] + i] * w[i][k].
template <class T, int K>
__attribute__((noinline)) void dot_tile(const DotRuns& runs, const T* const* in, const T* w,
                                        T* sums) {
  constexpr int n = kLanes<T>, P = kSmallPlaces<K>, G = n < 8 ? n : 8;
  constexpr int kPadded = (K * P + G - 1) / G * G;
  Vec<T> sum[kPadded];
  LAMINA_UNROLL
  for (int i = 0; i < kPadded; ++i) sum[i] = Vec<T>{};
  const T* x[P];
  LAMINA_UNROLL
  for (int p = 0; p < P; ++p) x[p] = in[p];
  for (int64_t r = 0; r < runs.count; ++r) {
    int64_t at = runs.offset[r];
    for (int64_t v = runs.vectors; v > 0; --v, at += n, w += K * n) {
      Vec<T> b[K];
      LAMINA_UNROLL
      for (int k = 0; k < K; ++k) b[k] = load(w + k * n);
      LAMINA_UNROLL
      for (int p = 0; p < P; ++p) {
        const Vec<T> a = load(x[p] + at);
        LAMINA_UNROLL
        for (int k = 0; k < K; ++k) sum[k * P + p] += a * b[k];
      }
    }
  }
  LAMINA_UNROLL
  for (int i = 0; i < kPadded; i += G) add_lanes<T, G>(sum + i, sums + i);
}

template <class T>
struct DotTile {
  int places;
  void (*run)(const DotRuns&, const T* const*, const T*, T*);
};

#define LAMINA_DOT(K) {kSmallPlaces<K>, &dot_tile<T, K>}
template <class T>
inline constexpr DotTile<T> kDotTiles[kMaxDotOutputs] = {
    LAMINA_DOT(1), LAMINA_DOT(2), LAMINA_DOT(3), LAMINA_DOT(4),  LAMINA_DOT(5),  LAMINA_DOT(6),
    LAMINA_DOT(7), LAMINA_DOT(8), LAMINA_DOT(9), LAMINA_DOT(10), LAMINA_DOT(11), LAMINA_DOT(12),
};
#undef LAMINA_DOT

// The sums of a pass, all on the same packed boxes.
template <class T>
struct DotPass {
  const TapSum* sums;
  const int64_t* weights;  // where each sum's begin in w
  int64_t count;
  TapSum all;  // their union
  int64_t width;  // channels in whole vectors
  BoxCut cut;

  const T *x, *w, *bias;
  T* y;

  void run(const Box& box, T* packed, int64_t* offsets) const;
  void run_sum(const TapSum& s, const T* weights, const Box& box, const ImageBox<T>& image,
               const T* packed, int64_t* offsets) const;
};

template <class T>
void DotPass<T>::run_sum(const TapSum& s, const T* weights, const Box& box,
                         const ImageBox<T>& image, const T* packed, int64_t* offsets) const {
  const AxisTaps* a = s.axis;
  const int64_t row = image.size[2] * width, plane = image.size[1] * row;
  const bool touching = a[2].offset_step == 1;
  int64_t first = 0;  // of the sum's taps in the united box
  const int64_t stride[kConvDims] = {plane, row, width};
  for (int d = 0; d < kConvDims; ++d) first += (a[d].offset - all.axis[d].offset) * stride[d];
  DotRuns runs{offsets, 0, (touching ? a[2].count : 1) * width / kLanes<T>};
  for (int64_t d = 0; d < a[0].count; ++d)
    for (int64_t h = 0; h < a[1].count; ++h)
      for (int64_t t = 0; t < (touching ? (a[2].count > 0) : a[2].count); ++t)
        offsets[runs.count++] = first + d * a[0].offset_step * plane +
                                h * a[1].offset_step * row + t * a[2].offset_step * width;

  const DotTile<T>& tile = kDotTiles<T>[s.k - 1];
  const T* in[kMaxSmallPlaces];
  T* out[kMaxSmallPlaces];
  int filled = 0;
  const auto flush = [&] {
    for (int p = filled; p < tile.places; ++p) in[p] = in[0];
    alignas(64) T sum[kMaxDotSums];
    tile.run(runs, in, weights, sum);
    for (int64_t k = 0; k < s.k; ++k)
      for (int p = 0; p < filled; ++p)
        out[p][k * s.y_stride[1]] = sum[k * tile.places + p] + (bias ? bias[k] : T(0));
    filled = 0;
  };
  for (int64_t n = 0; n < box.size[0]; ++n)
    for (int64_t d = 0; d < box.size[1]; ++d)
      for (int64_t h = 0; h < box.size[2]; ++h) {
        const T* from = packed + (n * image.size[0] + d * s.step[0]) * plane + h * s.step[1] * row;
        T* to = y + s.y_offset + (box.begin[0] + n) * s.y_stride[0] +
                (box.begin[1] + d) * s.y_stride[2] + (box.begin[2] + h) * s.y_stride[3] +
                box.begin[3] * s.y_stride[4];
        for (int64_t o = 0; o < box.size[3]; ++o) {
          in[filled] = from + o * s.step[2] * width;
          out[filled] = to + o * s.y_stride[4];
          if (++filled == tile.places) flush();
        }
      }
  if (filled > 0) flush();
}

template <class T>
void DotPass<T>::run(const Box& box, T* packed, int64_t* offsets) const {
  const ImageBox<T> image = input_box(all, box, x, ChannelBlocks{1, width, all.c});
  pack_image(image, packed);
  for (int64_t i = 0; i < count; ++i)
    run_sum(sums[i], w + weights[i], clip(box, sums[i]), image, packed, offsets);
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
                  int64_t stride_k, int64_t stride_c, const T* x, const T* bias, T* y) {
  constexpr int64_t n = kLanes<T>;
  DotPass<T> pass{};
  pass.sums = sums;
  pass.count = count;
  pass.all = unite(sums, count);
  pass.width = ceil_div(sums[0].c, n) * n;
  pass.x = x;
  pass.bias = bias;
  pass.y = y;

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

  const TapSum& all = pass.all;
  const int64_t position_bytes =
      pass.width * all.step[0] * all.step[1] * all.step[2] * static_cast<int64_t>(sizeof(T));
  const int64_t work = taps * pass.width * all.k;
  const int64_t most = clamp(kSmallTaskWork / work, 16, clamp(kDotBoxBytes / position_bytes, 16, INT64_MAX));
  pass.cut = cut_square_boxes(all, most, kDotBoxWidth);

  const Box largest{{}, {pass.cut.box[0], pass.cut.box[1], pass.cut.box[2], pass.cut.box[3]}};
  const int64_t elements = input_box(all, largest, x, {1, pass.width, all.c}).elements();
  parallel_for(pass.cut.boxes(), 1, [&](int64_t begin, int64_t end) {
    Scratch image(elements * sizeof(T)), offsets((taps + 1) * sizeof(int64_t));
    if (pass.width != all.c) fill_zero(image.as<T>(), elements);  // the lanes beyond the channels
    for (int64_t i = begin; i < end; ++i)
      pass.run(pass.cut.at(i), image.as<T>(), offsets.as<int64_t>());
  });
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

// Sums over taps with few channels in and out (LeNet's 1 -> 6): vectors run over the width.
//
//   y[n, k, o] = bias[k] + sum over c, t of w[c, t, k] * x[n, c, o + t]
//
// Register tile: K output channels by P vectors of neighbouring positions: per channel and tap P
// loads from x at any alignment and K broadcast weights for K * P multiply-adds.  A box of x is
// copied with its padding plane by plane; with a stride, a row is copied as one row for each
// residue, so that the lanes of a vector stay neighbours.
#pragma once

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/conv_epilogue.h"
#include "cpu/conv_pack_image.h"
#include "cpu/conv_small.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int kMaxPlanarOutputs = 8;           // of a tile
inline constexpr int64_t kPlanarBoxBytes = 24 << 10;  // of packed x: half of L1

// A box of x as [n][c][d][h][residue][width / step].
struct PlanarBox {
  int64_t phases, phase;               // residues of a row; elements of one
  int64_t row, plane, channel, image;  // strides

  LAMINA_INLINE int64_t column(int64_t w) const { return w % phases * phase + w / phases; }
};

template <class T>
LAMINA_INLINE PlanarBox planar_box(const ImageBox<T>& box, int64_t channels, int64_t step) {
  PlanarBox p;
  p.phases = step;
  p.phase = ceil_div(box.size[2], step);
  p.row = p.phases * p.phase;
  p.plane = box.size[1] * p.row;
  p.channel = box.size[0] * p.plane;
  p.image = channels * p.channel;
  return p;
}

// Rows of some 10 to 200 elements: the last vector overlaps the one before rather than going
// element by element.
template <class T>
LAMINA_INLINE void copy_row(T* to, const T* from, int64_t count) {
  constexpr int n = kLanes<T>;
  if (count < n) {
    for (int64_t i = 0; i < count; ++i) to[i] = from[i];
    return;
  }
  for (int64_t i = 0; i + n < count; i += n) store(to + i, load(from + i));
  store(to + count - n, load(from + count - n));
}

// A row of the box, whose pixels [left, right) lie inside x.
template <class T>
LAMINA_INLINE void pack_planar_row(const PlanarBox& p, int64_t left, int64_t right, const T* from,
                                   int64_t stride, T* to) {
  if (p.phases == 1 && stride == 1) {
    fill_zero(to, left);
    copy_row(to + left, from, right - left);
    fill_zero(to + right, p.phase - right);
    return;
  }
  if (right - left < p.row) fill_zero(to, p.row);
  for (int64_t r = 0; r < p.phases; ++r) {
    const int64_t skipped = left > r ? ceil_div(left - r, p.phases) : 0;
    T* out = to + r * p.phase + skipped;
    for (int64_t w = r + skipped * p.phases; w < right; w += p.phases)
      *out++ = from[(w - left) * stride];
  }
}

template <class T>
__attribute__((noinline)) void pack_planar(const ImageBox<T>& box, int64_t channels,
                                           const PlanarBox& p, T* to) {
  const int64_t left = clamp(-box.begin[2], 0, box.size[2]);
  const int64_t right = clamp(box.in[2] - box.begin[2], left, box.size[2]);
  for (int64_t n = 0; n < box.n; ++n)
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t d = 0; d < box.size[0]; ++d)
        for (int64_t h = 0; h < box.size[1]; ++h, to += p.row) {
          const int64_t at_d = box.begin[0] + d, at_h = box.begin[1] + h;
          if (at_d < 0 || at_d >= box.in[0] || at_h < 0 || at_h >= box.in[1]) {
            fill_zero(to, p.row);
            continue;
          }
          const T* from = box.x + (box.n_begin + n) * box.stride[0] + c * box.stride[1] +
                          at_d * box.stride[2] + at_h * box.stride[3] +
                          (box.begin[2] + left) * box.stride[4];
          pack_planar_row(p, left, right, from, box.stride[4], to);
        }
}

// Where the taps of all channels lie in the packed box, in the order [c][position].
LAMINA_INLINE void planar_taps(const TapSum& s, const PlanarBox& p, int64_t* offset) {
  const AxisTaps* a = s.axis;
  for (int64_t c = 0; c < s.c; ++c)
    for (int64_t d = 0; d < a[0].count; ++d)
      for (int64_t h = 0; h < a[1].count; ++h)
        for (int64_t w = 0; w < a[2].count; ++w)
          *offset++ = c * p.channel + d * a[0].offset_step * p.plane +
                      h * a[1].offset_step * p.row + p.column(w * a[2].offset_step);
}

// The tile's places: a vector of positions each.
template <class T>
struct PlanarPlaces {
  const T* in[kMaxSmallPlaces];
  T* out[kMaxSmallPlaces];
  int lanes[kMaxSmallPlaces];  // that are stored
};

// Strides of y and what becomes of the sums.
template <class T>
struct PlanarOutput {
  int64_t channel, pixel;
  Epilogue<T> epilogue;
};

// sum[k][p][lane] one by one: rows shorter than a vector, and y of any layout.
template <class T>
__attribute__((noinline)) void store_planar(const PlanarPlaces<T>& places, const PlanarOutput<T>& y,
                                            const T* sum, int outputs, int count) {
  for (int k = 0; k < outputs; ++k)
    for (int p = 0; p < count; ++p, sum += kLanes<T>)
      for (int i = 0; i < places.lanes[p]; ++i) {
        T* to = places.out[p] + k * y.channel + i * y.pixel;
        *to = y.epilogue.apply(sum[i], to);
      }
}

// y[out[p] + lane][k] = bias[k] + sum over t of x[in[p] + offset[t] + lane] * w[t][k].
template <class T, int K>
__attribute__((noinline)) void planar_tile(const int64_t* offset, int64_t taps,
                                           const PlanarPlaces<T>& places, const T* w,
                                           int64_t w_step, const T* bias,
                                           const PlanarOutput<T>& y) {
  constexpr int n = kLanes<T>, P = kSmallPlaces<K>;
  Vec<T> sum[K][P];
  LAMINA_UNROLL
  for (int k = 0; k < K; ++k) LAMINA_UNROLL
  for (int p = 0; p < P; ++p) sum[k][p] = broadcast(bias[k]);
  const T* x[P];
  LAMINA_UNROLL
  for (int p = 0; p < P; ++p) x[p] = places.in[p];
  for (int64_t t = 0; t < taps; ++t, w += w_step) {
    const int64_t at = offset[t];
    Vec<T> a[P];
    LAMINA_UNROLL
    for (int p = 0; p < P; ++p) a[p] = load(x[p] + at);
    LAMINA_UNROLL
    for (int k = 0; k < K; ++k) {
      const Vec<T> b = broadcast(w[k]);
      LAMINA_UNROLL
      for (int p = 0; p < P; ++p) sum[k][p] += a[p] * b;
    }
  }
  bool whole = y.pixel == 1;
  LAMINA_UNROLL
  for (int p = 0; p < P; ++p) whole &= places.lanes[p] == n || places.lanes[p] == 0;
  if (!whole) {
    alignas(64) T spilled[K * P * n];
    LAMINA_UNROLL
    for (int i = 0; i < K * P; ++i) store(spilled + i * n, sum[i / P][i % P]);
    return store_planar(places, y, spilled, K, P);
  }
  LAMINA_UNROLL
  for (int p = 0; p < P; ++p) {
    if (places.lanes[p] == 0) continue;
    LAMINA_UNROLL
    for (int k = 0; k < K; ++k) {
      T* out = places.out[p] + k * y.channel;
      store(out, y.epilogue.apply(sum[k][p], out));
    }
  }
}

template <class T>
struct PlanarTile {
  int places;
  void (*run)(const int64_t*, int64_t, const PlanarPlaces<T>&, const T*, int64_t, const T*,
              const PlanarOutput<T>&);
};

#define LAMINA_PLANAR(K) {kSmallPlaces<K>, &planar_tile<T, K>}
template <class T>
inline constexpr PlanarTile<T> kPlanarTiles[kMaxPlanarOutputs] = {
    LAMINA_PLANAR(1), LAMINA_PLANAR(2), LAMINA_PLANAR(3), LAMINA_PLANAR(4),
    LAMINA_PLANAR(5), LAMINA_PLANAR(6), LAMINA_PLANAR(7), LAMINA_PLANAR(8),
};
#undef LAMINA_PLANAR

// One sum on a box: output channels [k, k + outputs) of w [c][tap][s.k].
template <class T>
void run_planar_group(const TapSum& s, const Box& box, const PlanarBox& p, const T* packed,
                      const int64_t* offset, const T* w, const T* bias, int64_t outputs, T* y,
                      const Epilogue<T>& epilogue) {
  constexpr int64_t n = kLanes<T>;
  const PlanarTile<T>& tile = kPlanarTiles<T>[outputs - 1];
  const PlanarOutput<T> output{s.y_stride[1], s.y_stride[4], epilogue};
  PlanarPlaces<T> places;
  int filled = 0;
  const auto flush = [&] {
    for (int i = filled; i < tile.places; ++i) {
      places.in[i] = places.in[0];
      places.out[i] = places.out[0];
      places.lanes[i] = 0;
    }
    tile.run(offset, s.taps() * s.c, places, w, s.k, bias, output);
    filled = 0;
  };
  for (int64_t i = 0; i < box.size[0]; ++i)
    for (int64_t d = 0; d < box.size[1]; ++d)
      for (int64_t h = 0; h < box.size[2]; ++h) {
        const T* from = packed + i * p.image + d * s.step[0] * p.plane + h * s.step[1] * p.row;
        T* to = y + s.y_offset + (box.begin[0] + i) * s.y_stride[0] +
                (box.begin[1] + d) * s.y_stride[2] + (box.begin[2] + h) * s.y_stride[3] +
                box.begin[3] * s.y_stride[4];
        for (int64_t o = 0; o < box.size[3]; o += n) {
          // The last vector of a row begins earlier, and makes some outputs again, rather than
          // store lane by lane.
          const int64_t left = box.size[3] - o;
          const int64_t at = left < n && box.size[3] >= n ? box.size[3] - n : o;
          places.in[filled] = from + at;
          places.out[filled] = to + at * s.y_stride[4];
          places.lanes[filled] = static_cast<int>(clamp(box.size[3] - at, 0, n));
          if (++filled == tile.places) flush();
        }
      }
  if (filled > 0) flush();
}

// The weights of a sum as [c][position][k].
template <class T>
void pack_planar_weights(const TapSum& s, const ConvShape& shape, const T* w, int64_t stride_k,
                         int64_t stride_c, T* to) {
  for_each_tap(s, shape, [&](int64_t position, int64_t t) {
    for (int64_t c = 0; c < s.c; ++c)
      for (int64_t k = 0; k < s.k; ++k)
        to[(c * s.taps() + position) * s.k + k] = w[k * stride_k + c * stride_c + t];
  });
}

// Boxes of whole rows whose packed x stays in L1.
template <class T>
BoxCut cut_planar(const TapSum& s) {
  int64_t bytes = s.c * static_cast<int64_t>(sizeof(T));
  for (int64_t step : s.step) bytes *= step;
  const int64_t work = s.taps() * s.c * s.k;
  const int64_t most = clamp(kSmallTaskWork / (work > 0 ? work : 1), 1, kPlanarBoxBytes / bytes);
  return cut_boxes({s.n, s.grid[0], s.grid[1], s.grid[2]}, most < 64 ? 64 : most, kLanes<T>);
}

template <class T>
void run_planar_sum(const TapSum& s, const ConvShape& shape, const T* w, int64_t stride_k,
                    int64_t stride_c, const T* x, const T* bias, T* y,
                    const Epilogue<T>& epilogue) {
  const int64_t taps = s.taps();
  Scratch weights((taps * s.c + 1) * s.k * sizeof(T));
  T* no_bias = weights.as<T>();
  T* packed_weights = no_bias + s.k;
  for (int64_t k = 0; k < s.k; ++k) no_bias[k] = bias ? bias[k] : T(0);
  pack_planar_weights(s, shape, w, stride_k, stride_c, packed_weights);

  const BoxCut cut = cut_planar<T>(s);
  const Box largest{{}, {cut.box[0], cut.box[1], cut.box[2], cut.box[3]}};
  const int64_t elements =
      cut.box[0] * planar_box(input_box(s, largest, x, {1, 1, 1}), s.c, s.step[2]).image;
  const int64_t groups = ceil_div(s.k, kMaxPlanarOutputs);
  parallel_for(cut.boxes(), 1, [&](int64_t begin, int64_t end) {
    Scratch scratch((elements + kLanes<T>)*sizeof(T));  // a row's last vector reads beyond its end
    Scratch offsets((taps * s.c + 1) * sizeof(int64_t));
    for (int64_t i = begin; i < end; ++i) {
      const Box box = cut.at(i);
      const ImageBox<T> image = input_box(s, box, x, {1, 1, 1});
      const PlanarBox p = planar_box(image, s.c, s.step[2]);
      if (taps > 0) pack_planar(image, s.c, p, scratch.as<T>());
      planar_taps(s, p, offsets.as<int64_t>());
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t k = s.k * g / groups, outputs = s.k * (g + 1) / groups - k;
        run_planar_group(s, box, p, scratch.as<T>(), offsets.as<int64_t>(), packed_weights + k,
                         no_bias + k, outputs, y + k * s.y_stride[1], epilogue);
      }
    }
  });
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

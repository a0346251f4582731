// Convolution by the convolution theorem, over overlapping tiles (overlap-save; Stockham 1966,
// Vasilache et al. 1412.7580).
//
// A tile of out x out positions meets out + kernel - 1 inputs a side.  Where a transform has that
// size at least, none of the circular products that wrap around reaches a position of the tile:
//
//   fprop, dgrad   Y[f] = sum over c of X[c][f] * conj(W[k][c][f])
//   wgrad          W[k][c][f] = sum over tiles of X[c][f] * conj(Y[k][f])
//
// Tiles in the height and width alone; depth counts as a dimension of images.
#pragma once

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/conv_box.h"
#include "cpu/conv_lanes.h"
#include "cpu/fft_tile.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// A dimension's tiles: `count` of `out` positions, transforms of size n.
struct FftAxis {
  int64_t n, count, out;
};

// Sizes by rising cost; even ones serve both dimensions.
inline constexpr int kFftSizes[] = {8,  10, 12, 16, 18, 20, 24, 30,  32,  36,  40,  48,  50,
                                    54, 60, 64, 72, 80, 90, 96, 100, 108, 120, 128, 144, 160};
inline constexpr int64_t kLargestTile = 160;

// Tiles of n along a dimension of `positions` and `taps`; none fits where n < taps.
LAMINA_INLINE bool cut_axis(int64_t n, int64_t positions, int64_t taps, FftAxis& axis) {
  if (n < taps) return false;
  const int64_t most = n - taps + 1, count = ceil_div(positions, most);
  axis = {n, count, ceil_div(positions, count)};
  return true;
}

LAMINA_INLINE double log2_of(int64_t n) {
  return static_cast<double>(64 - __builtin_clzll(static_cast<uint64_t>(n)));
}

// A convolution's tiles and what they cost, in cycles of one core with vectors of `lanes`.
struct FftPlan {
  FftAxis h, w;
  double cycles;

  LAMINA_INLINE int64_t tiles() const { return h.count * w.count; }  // of an image that exists
};

// Of c to k channels in each of `groups`, over `images`.
struct FftWork {
  int64_t images, groups, c, k;
  int64_t positions[2], taps[2];
  int64_t lanes;
};

// Cycles a point and doubling of a transform; a vector's complex multiply-add; a vector moved past
// the second cache.  Measured.
inline constexpr double kPointCycles = 1.5, kProductCycles = 4.5, kMovedCycles = 8;
inline constexpr int64_t kSpectrumBytes = 200 << 10;  // of a tile: three of them stay in L2

// What a pass by a plan consists of: points times doublings of transforms; products of spectra, in a
// dense convolution and in a depthwise one; spectra moved, of activations and of weights.  In vectors.
struct FftUnits {
  double data, weights, products, depthwise, moved, moved_weights;
};

LAMINA_INLINE FftUnits fft_units(const FftWork& a, const FftPlan& plan) {
  const double points = static_cast<double>(plan.h.n * plan.w.n);
  const double transform = points * (log2_of(plan.h.n) + log2_of(plan.w.n));
  const double frequencies = static_cast<double>(plan.h.n * (plan.w.n / 2 + 1));
  const double tiles = static_cast<double>(a.images) * static_cast<double>(plan.h.count) *
                       static_cast<double>(plan.w.count);
  const bool depthwise = a.c == 1 && a.k == 1;
  const int64_t vectors_c =
      depthwise ? ceil_div(a.groups, a.lanes) : a.groups * ceil_div(a.c, a.lanes);
  const int64_t vectors_k = depthwise ? vectors_c : a.groups * ceil_div(a.k, a.lanes);
  const double large = 2 * frequencies * kVectorBytes > kSpectrumBytes ? 1.5 : 1;
  const double weights = static_cast<double>(vectors_k * a.c),
               activations = static_cast<double>(vectors_c + vectors_k) * tiles;
  FftUnits u{};
  u.data = activations * transform * large;
  u.weights = weights * transform;
  if (depthwise) {
    u.depthwise = frequencies * tiles * static_cast<double>(vectors_c);
    return u;
  }
  u.products = frequencies * tiles * static_cast<double>(a.c * vectors_k);
  u.moved = frequencies * activations;
  u.moved_weights = frequencies * weights;
  return u;
}

LAMINA_INLINE double fft_cycles(const FftWork& a, const FftPlan& plan) {
  const FftUnits u = fft_units(a, plan);
  return kPointCycles * (u.data + u.weights) + kProductCycles * u.products +
         kMovedCycles * (u.moved + u.moved_weights);
}

// A dimension's tiles, by rising size, that may be the cheapest: none that are larger than others and
// cover the positions with no fewer points.  Returns their number.
LAMINA_INLINE int axis_choices(int64_t positions, int64_t taps, FftAxis* axes) {
  int count = 0;
  for (const int n : kFftSizes) {
    FftAxis axis;
    if (!cut_axis(n, positions, taps, axis)) continue;
    if (count == 0 || axis.count * n < axes[count - 1].count * axes[count - 1].n)
      axes[count++] = axis;
  }
  return count;
}

// The cheapest tiles; false where a kernel is too large for any.
LAMINA_INLINE bool plan_fft(const FftWork& work, FftPlan& best) {
  constexpr int kMost = sizeof(kFftSizes) / sizeof(kFftSizes[0]);
  FftAxis rows[kMost], columns[kMost];
  const bool flat = work.positions[0] == 1 && work.taps[0] == 1;  // needs no transform
  const int n_rows = flat ? 1 : axis_choices(work.positions[0], work.taps[0], rows);
  if (flat) rows[0] = {1, 1, 1};
  const int n_columns = axis_choices(work.positions[1], work.taps[1], columns);
  best.cycles = -1;
  for (int r = 0; r < n_rows; ++r)
    for (int c = 0; c < n_columns; ++c) {
      FftPlan plan{rows[r], columns[c], 0};
      plan.cycles = fft_cycles(work, plan);
      if (best.cycles < 0 || plan.cycles < best.cycles) best = plan;
    }
  return best.cycles >= 0;
}

LAMINA_INLINE FftWork fft_work(const ConvShape& s, int64_t lanes) {
  return {s.n * s.out[0],
          s.groups,
          s.c / s.groups,
          s.k / s.groups,
          {s.out[1], s.out[2]},
          {s.kernel[1], s.kernel[2]},
          lanes};
}

// The transforms of a plan with their roots.
template <class T>
class TileTransform {
 public:
  explicit TileTransform(const FftPlan& plan)
      : memory_(bytes(plan)), fft{make(plan.h.n, 0), make(plan.w.n, elements(plan.h.n))} {}

 private:
  static FftSize size(int64_t n) {
    FftSize size;
    factor(n, size);
    return size;
  }
  static int64_t elements(int64_t n) { return Fft<T>::twiddle_elements(size(n)); }
  static int64_t bytes(const FftPlan& plan) {
    return (elements(plan.h.n) + elements(plan.w.n)) * static_cast<int64_t>(sizeof(T));
  }
  Fft<T> make(int64_t n, int64_t at) const { return Fft<T>(size(n), memory_.as<T>() + at); }

  Scratch memory_;

 public:
  TileFft<T> fft;
};

// A tile: its image, and its positions [h, h + rows) x [w, w + columns).
struct FftTile {
  int64_t n, d, h, w, rows, columns;
};

LAMINA_INLINE FftTile tile_at(const FftPlan& plan, const TapSum& s, int64_t index) {
  const int64_t w = index % plan.w.count * plan.w.out,
                h = index / plan.w.count % plan.h.count * plan.h.out;
  const int64_t image = index / plan.tiles();
  const int64_t rows = s.grid[1] - h, columns = s.grid[2] - w;
  return {image / s.grid[0],
          image % s.grid[0],
          h,
          w,
          rows < plan.h.out ? rows : plan.h.out,
          columns < plan.w.out ? columns : plan.w.out};
}

// n channels from `channel` on of pixels (h + r, w + c) of an activation, zero outside it.
template <class T>
struct TilePixels {
  const T* first;  // pixel (0, 0), channel 0 of the vector
  int64_t h, w, in_h, in_w;
  int64_t h_stride, w_stride, c_stride;
  int64_t channels;  // that exist

  LAMINA_INLINE Vec<T> operator()(int64_t r, int64_t c) const {
    const int64_t y = h + r, x = w + c;
    if (y < 0 || y >= in_h || x < 0 || x >= in_w) return Vec<T>{};
    const T* from = first + y * h_stride + x * w_stride;
    if (c_stride == 1 && channels >= kLanes<T>) return load(from);
    Vec<T> v{};
    for (int64_t l = 0; l < channels && l < kLanes<T>; ++l) v[l] = from[l * c_stride];
    return v;
  }
};

// The inputs of a tile, or (at an offset of zero) its own positions.
template <class T>
LAMINA_INLINE TilePixels<T> tile_pixels(const T* data, const int64_t* stride, const FftTile& tile,
                                        int64_t d, const int64_t* extent, int64_t offset_h,
                                        int64_t offset_w, int64_t channel, int64_t channels) {
  return {data + tile.n * stride[0] + d * stride[2] + channel * stride[1],
          tile.h + offset_h,
          tile.w + offset_w,
          extent[1],
          extent[2],
          stride[3],
          stride[4],
          stride[1],
          channels - channel};
}

// v into channel l of a pixel, for the lanes that exist.
template <class T>
LAMINA_INLINE void store_channels(T* to, int64_t c_stride, int64_t channels, Vec<T> v) {
  if (c_stride == 1 && channels >= kLanes<T>) return store(to, v);
  for (int64_t l = 0; l < channels && l < kLanes<T>; ++l) to[l * c_stride] = v[l];
}

// Zero unless some lane of some vector is NaN or infinite.
template <class T>
struct Finite {
  Vec<T> sum{};
  LAMINA_INLINE void see(Vec<T> v) { sum += v * T(0); }
  LAMINA_INLINE bool all() const {
    bool ok = true;
    for (int l = 0; l < kLanes<T>; ++l) ok &= sum[l] == T(0);
    return ok;
  }
};

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

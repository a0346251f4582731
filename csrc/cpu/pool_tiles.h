// Pooling of row-major planes (N, C, D, H, W) forward: lanes are neighbouring outputs of a row.
//
// Outputs are made in tiles.  A tile whose windows leave the plane is first copied, with its
// padding, into scratch memory, so that the inner loop knows no borders.  With stride 2, two
// vectors of input hold the even and the odd taps of a vector of outputs.
#pragma once

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/pool_lanes.h"
#include "cpu/pool_window.h"
#include "cpu/shuffle.h"

namespace lamina::cpu::LAMINA_ISA {

using kernels::PoolShape;

inline constexpr int64_t kTileColumns = 1024;      // outputs; a multiple of every vector length
inline constexpr int64_t kTileElements = 1 << 14;  // of input, so that a tile stays in the L2 cache
inline constexpr int64_t kTileGrain = 1 << 17;     // taps a chunk: some 5 us

// The outputs [h0, h1) x [w0, w1) at depth d of a plane, and the input that their windows span.
struct PoolTile {
  int64_t plane, d, h0, h1, w0, w1;
  int64_t rows, columns;  // columns: all that full vectors of outputs read
};

// How the outputs of a plane are cut.
struct Tiling {
  int64_t rows, columns, down, across;  // outputs a tile; tiles a plane

  LAMINA_INLINE Tiling(const PoolShape& s, int lanes) {
    across = divide_up(s.out[2], kTileColumns);
    columns = smaller(s.out[2], kTileColumns);
    const int64_t pitch = span(s, divide_up(columns, lanes) * lanes, 2) + 1;
    const int64_t fit =
        kTileElements / (pitch * s.kernel[0]) - (s.kernel[1] - 1) * s.dilation[1] - 1;
    const int64_t most = smaller(s.out[1], 1 + larger(fit, 0) / s.stride[1]);
    rows = divide_up(s.out[1], divide_up(s.out[1], most));
    down = divide_up(s.out[1], rows);
  }

  // Input positions from the first to the last of `outputs` neighbouring windows.
  LAMINA_INLINE static int64_t span(const PoolShape& s, int64_t outputs, int dim) {
    return (outputs - 1) * s.stride[dim] + (s.kernel[dim] - 1) * s.dilation[dim] + 1;
  }

  LAMINA_INLINE PoolTile tile(const PoolShape& s, int64_t i, int lanes) const {
    PoolTile t;
    t.w0 = i % across * columns;
    t.h0 = i / across % down * rows;
    t.d = i / (across * down) % s.out[0];
    t.plane = i / (across * down * s.out[0]);
    t.w1 = smaller(t.w0 + columns, s.out[2]);
    t.h1 = smaller(t.h0 + rows, s.out[1]);
    t.rows = span(s, t.h1 - t.h0, 1);
    t.columns = divide_up(span(s, divide_up(t.w1 - t.w0, lanes) * lanes, 2) + 1, lanes) * lanes;
    return t;
  }
};

// Input of a tile: tap (kd, kh, kw) of its output (h, w) is origin[kd*depth + h*down + kh*row +
// w*stride + kw*dilation].
template <class T>
struct TileInput {
  const T* origin;
  int64_t depth, row, down;
};

// True if no window of the tile leaves the plane and no vector reads past the last plane.
LAMINA_INLINE bool lies_inside(const PoolShape& s, const PoolTile& t) {
  const Window d = window(s, 0, t.d), h = window(s, 1, t.h0), w = window(s, 2, t.w0);
  const int64_t last_d = d.first + (s.kernel[0] - 1) * d.step, last_h = h.first + t.rows - 1;
  const int64_t last_w = w.first + Tiling::span(s, t.w1 - t.w0, 2) - 1;
  if (d.first < 0 || h.first < 0 || w.first < 0) return false;
  if (last_d >= s.in[0] || last_h >= s.in[1] || last_w >= s.in[2]) return false;
  const int64_t end =
      ((t.plane * s.in[0] + last_d) * s.in[1] + last_h) * s.in[2] + w.first + t.columns;
  return end <= s.batch * s.channels * volume(s.in);
}

template <class T>
LAMINA_INLINE void fill_row(T* p, int64_t n, T value) {
  for (int64_t i = 0; i < n; ++i) p[i] = value;
}

// Copies what the tile's windows span into `stage`, with `padding` around the plane.
template <class T>
LAMINA_INLINE TileInput<T> stage_tile(const PoolShape& s, const PoolTile& t, const T* plane,
                                      T padding, T* stage) {
  const Window d = window(s, 0, t.d);
  const int64_t h0 = window(s, 1, t.h0).first, w0 = window(s, 2, t.w0).first;
  const int64_t left = smaller(larger(-w0, 0), t.columns);
  const int64_t right = larger(left, smaller(s.in[2] - w0, t.columns));
  T* to = stage;
  for (int64_t kd = 0; kd < s.kernel[0]; ++kd) {
    const int64_t id = d.first + kd * d.step;
    for (int64_t ih = h0; ih < h0 + t.rows; ++ih, to += t.columns) {
      if (id < 0 || id >= s.in[0] || ih < 0 || ih >= s.in[1]) {
        fill_row(to, t.columns, padding);
        continue;
      }
      fill_row(to, left, padding);
      __builtin_memcpy(to + left, plane + (id * s.in[1] + ih) * s.in[2] + w0 + left,
                       (right - left) * sizeof(T));
      fill_row(to + right, t.columns - right, padding);
    }
  }
  return {stage, t.rows * t.columns, s.dilation[1] * t.columns, s.stride[1] * t.columns};
}

template <class T>
LAMINA_INLINE TileInput<T> tile_input(const PoolShape& s, const PoolTile& t, const T* x, T padding,
                                      T* stage) {
  const T* plane = x + t.plane * volume(s.in);
  if (!lies_inside(s, t)) return stage_tile(s, t, plane, padding, stage);
  const Window d = window(s, 0, t.d), h = window(s, 1, t.h0), w = window(s, 2, t.w0);
  const int64_t W = s.in[2];
  return {plane + (d.first * s.in[1] + h.first) * W + w.first, d.step * s.in[1] * W, h.step * W,
          s.stride[1] * W};
}

// Feeds a vector of outputs with one row of taps, which starts at p.  kStride: 1, 2, or 0 for any
// other.
template <int kStride, class T, class Lanes>
LAMINA_INLINE void take_row(Lanes& acc, const T* p, int64_t stride, int64_t kernel,
                            int64_t dilation, int64_t tap) {
  constexpr int kLane = kLanes<T>;
  if constexpr (kStride == 0) {
    for (int64_t k = 0; k < kernel; ++k) {
      Vec<T> x;
      for (int lane = 0; lane < kLane; ++lane) x[lane] = p[k * dilation + lane * stride];
      acc.take(x, tap + k);
    }
  } else if constexpr (kStride == 1) {
    for (int64_t k = 0; k < kernel; ++k) acc.take(load(p + k * dilation), tap + k);
  } else if (dilation == 1) {
    for (int64_t k = 0; k < kernel; k += 2) {
      const Vec<T> a = load(p + k), b = load(p + k + kLane);
      acc.take(evens<T>(a, b), tap + k);
      if (k + 1 < kernel) acc.take(odds<T>(a, b), tap + k + 1);
    }
  } else {
    for (int64_t k = 0; k < kernel; ++k)
      acc.take(evens<T>(load(p + k * dilation), load(p + k * dilation + kLane)), tap + k);
  }
}

// Where in x the input of a tile begins: fetched while the tile before it is worked on.
LAMINA_INLINE int64_t input_begin(const PoolShape& s, const PoolTile& t) {
  const int64_t d = larger(window(s, 0, t.d).first, 0), h = larger(window(s, 1, t.h0).first, 0);
  return ((t.plane * s.in[0] + d) * s.in[1] + h) * s.in[2] + larger(window(s, 2, t.w0).first, 0);
}

// finish(accumulator, offset in y, n lanes, windows) writes a vector of outputs.  Lanes past the
// end of a row, up to the output `limit`, may be written: the same thread writes the right values
// there later.
template <int kStride, int kWidth, class T, class Lanes, class Finish>
LAMINA_INLINE void run_tile(const PoolShape& s, const PoolTile& t, const TileInput<T>& in,
                            int64_t limit, const typename TapLane<T>::Type* first_taps,
                            const T* next, const Finish& finish) {
  using Tap = typename TapLane<T>::Type;
  const int64_t kernel = kWidth ? kWidth : s.kernel[2], stride = kStride ? kStride : s.stride[2];
  const Window d = window(s, 0, t.d);
  for (int64_t oh = t.h0; oh < t.h1; ++oh) {
    const Window h = window(s, 1, oh);
    const bool empty = d.begin >= d.end || h.begin >= h.end;
    const auto base = static_cast<Tap>((d.begin * s.kernel[1] + h.begin) * kernel);
    const int64_t y = ((t.plane * s.out[0] + t.d) * s.out[1] + oh) * s.out[2];
    const int64_t end = limit ? limit : y + t.w1;
    for (int64_t i = 0; i < s.stride[1]; ++i)
      prefetch(next + ((oh - t.h0) * s.stride[1] + i) * s.in[2], smaller(t.columns, s.in[2]));
    for (int64_t ow = t.w0; ow < t.w1; ow += kLanes<T>) {
      Lanes acc;
      TapVec<T> first{};
      if constexpr (Lanes::kHasTaps) {
        const TapVec<T> across = load(first_taps + ow);
        first = empty ? broadcast(Tap{-1}) : select(across < 0, across, across + base);
      }
      acc.begin(first);
      const T* p = in.origin + (oh - t.h0) * in.down + (ow - t.w0) * stride;
      for (int64_t kd = 0; kd < s.kernel[0]; ++kd)
        for (int64_t kh = 0; kh < s.kernel[1]; ++kh)
          take_row<kStride>(acc, p + kd * in.depth + kh * in.row, stride, kernel, s.dilation[2],
                            (kd * s.kernel[1] + kh) * kernel);
      finish(acc, y + ow, static_cast<int>(smaller(kLanes<T>, end - y - ow)), t.d, oh, ow);
    }
  }
}

template <int kStride, class T, class Lanes, class Finish>
LAMINA_INLINE void forward_strided_tiles(const PoolShape& s, const T* x, T padding,
                                         const Finish& finish) {
  using Tap = typename TapLane<T>::Type;
  constexpr int kLane = kLanes<T>;
  const Tiling tiling(s, kLane);
  const int64_t items = s.batch * s.channels * s.out[0] * tiling.down * tiling.across;
  const int64_t padded = s.out[2] + kLane;
  const Scratch held(padded * sizeof(Tap));
  Tap* first_taps =
      held.as<Tap>();  // of each column: the first tap that lies in the row, -1 if none does
  for (int64_t ow = 0; ow < padded; ++ow) {
    const Window w = window(s, 2, smaller(ow, s.out[2] - 1));
    first_taps[ow] = w.begin < w.end ? static_cast<Tap>(w.begin) : Tap{-1};
  }
  const PoolTile whole = tiling.tile(s, 0, kLane);
  const int64_t stage_bytes =
      s.kernel[0] * whole.rows * whole.columns * static_cast<int64_t>(sizeof(T));
  const int64_t work = tiling.rows * tiling.columns * volume(s.kernel);
  parallel_for(items, 1 + kTileGrain / work, [&](int64_t begin, int64_t end) {
    const Scratch stage(stage_bytes);
    // Full rows are neighbours in memory, so that a vector may run on up to the end of the chunk's
    // outputs.
    const int64_t rows = end / tiling.down * s.out[1] + end % tiling.down * tiling.rows;
    const int64_t limit = tiling.across == 1 ? rows * s.out[2] : 0;
    for (int64_t i = begin; i < end; ++i) {
      const PoolTile t = tiling.tile(s, i, kLane);
      const TileInput<T> in = tile_input(s, t, x, padding, stage.as<T>());
      const T* next = x + input_begin(s, tiling.tile(s, i + 1, kLane));
      switch (s.kernel[2]) {
        case 2:
          run_tile<kStride, 2, T, Lanes>(s, t, in, limit, first_taps, next, finish);
          break;
        case 3:
          run_tile<kStride, 3, T, Lanes>(s, t, in, limit, first_taps, next, finish);
          break;
        default:
          run_tile<kStride, 0, T, Lanes>(s, t, in, limit, first_taps, next, finish);
      }
    }
  });
}

template <class T, class Lanes, class Finish>
LAMINA_INLINE void forward_tiles(const PoolShape& s, const T* x, T padding, const Finish& finish) {
  switch (s.stride[2]) {
    case 1:
      return forward_strided_tiles<1, T, Lanes>(s, x, padding, finish);
    case 2:
      return forward_strided_tiles<2, T, Lanes>(s, x, padding, finish);
    default:
      return forward_strided_tiles<0, T, Lanes>(s, x, padding, finish);
  }
}

}  // namespace lamina::cpu::LAMINA_ISA

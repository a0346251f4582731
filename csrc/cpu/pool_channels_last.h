// Pooling of channels-last arrays: the window is the same for every channel, so lanes are channels.
//
// Forward, a vector of channels runs over the taps that lie in the input; backward, each input
// pixel gathers from the windows that hold it, so that no two threads write the same place and
// every place is written once.
#pragma once

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/pool_lanes.h"
#include "cpu/pool_window.h"

namespace lamina::cpu::LAMINA_ISA {

using kernels::PoolShape;

inline constexpr int64_t kChannelBlock = 256;   // channels an item: one pixel can feed many threads
inline constexpr int64_t kPoolGrain = 1 << 17;  // taps a chunk: some 5 us

template <class T, int kCount>
struct WholeVectors {
  static constexpr int kVectors = kCount, n = kLanes<T>;
  LAMINA_INLINE static int count(int64_t) { return n; }
};

// Fewer channels than lanes.  A load may run on into what follows in the array, and a store as well
// where the same thread goes on to write the right values there.
template <class T>
struct PartOfVector {
  static constexpr int kVectors = 1;
  int n;  // lanes to store
  LAMINA_INLINE static int count(int64_t left) {
    return static_cast<int>(smaller(kLanes<T>, left));
  }
};

// f(c, lanes) for the channels of [begin, end): four vectors, one vector, or what is left, of which
// `room` may be stored.
template <class T, class F>
LAMINA_INLINE void for_channels(int64_t begin, int64_t end, int64_t room, const F& f) {
  constexpr int64_t kLane = kLanes<T>;
  int64_t c = begin;
  for (; c + 4 * kLane <= end; c += 4 * kLane) f(c, WholeVectors<T, 4>{});
  for (; c + kLane <= end; c += kLane) f(c, WholeVectors<T, 1>{});
  if (c < end) f(c, PartOfVector<T>{static_cast<int>(smaller(kLane, room - (c - begin)))});
}

// f(n, d, h, channel begin, channel end, pixels) in parallel over the rows of an image of `size`;
// `taps`: the work of a channel of a pixel; `pixels`: how many, from the row's first on, this
// thread goes on to write in order, or 0.
template <class F>
LAMINA_INLINE void for_rows(const PoolShape& s, const int64_t (&size)[3], int64_t taps,
                            const F& f) {
  const int64_t blocks = divide_up(s.channels, kChannelBlock);
  const int64_t work = size[2] * smaller(s.channels, kChannelBlock) * taps;
  const int64_t items = s.batch * size[0] * size[1] * blocks;
  parallel_for(items, 1 + kPoolGrain / work, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i / blocks, c = i % blocks * kChannelBlock;
      const int64_t h = row % size[1], d = row / size[1] % size[0], n = row / size[1] / size[0];
      f(n, d, h, c, smaller(c + kChannelBlock, s.channels), blocks == 1 ? (end - i) * size[2] : 0);
    }
  });
}

// finish(accumulator, offset in y, n lanes, windows) writes what a vector of outputs came to.
template <class T, class Lanes, class Finish>
LAMINA_INLINE void forward_channels_last(const PoolShape& s, const T* x, const Finish& finish) {
  const int64_t C = s.channels, D = s.in[0], H = s.in[1], W = s.in[2];
  const T* x_end = x + s.batch * volume(s.in) * C;
  for_rows(
      s, s.out, volume(s.kernel),
      [&](int64_t n, int64_t od, int64_t oh, int64_t c0, int64_t c1, int64_t pixels) {
        const Window d = window(s, 0, od), h = window(s, 1, oh);
        const int64_t below = h.first + (s.kernel[1] - 1) * h.step + 1;
        for (int64_t ow = 0; ow < s.out[2]; ++ow) {
          const Window w = window(s, 2, ow);
          for (int64_t i = 0; i < s.stride[1]; ++i)  // what the next row of windows will read first
            prefetch(x + (((n * D + d.first) * H + below + i) * W + w.first) * C + c0,
                     s.stride[2] * (c1 - c0));
          const bool empty = d.begin >= d.end || h.begin >= h.end || w.begin >= w.end;
          const int64_t first =
              empty ? -1 : (d.begin * s.kernel[1] + h.begin) * s.kernel[2] + w.begin;
          const int64_t y = (((n * s.out[0] + od) * s.out[1] + oh) * s.out[2] + ow) * C;
          for_channels<T>(c0, c1, larger(c1 - c0, (pixels - ow) * C), [&](int64_t c, auto lanes) {
            constexpr int kVectors = decltype(lanes)::kVectors;
            Lanes acc[kVectors];
            for (int v = 0; v < kVectors; ++v)
              acc[v].begin(broadcast(static_cast<typename TapLane<T>::Type>(first)));
            for (int64_t kd = d.begin; kd < d.end; ++kd)
              for (int64_t kh = h.begin; kh < h.end; ++kh) {
                const int64_t row =
                    ((n * D + d.first + kd * d.step) * H + h.first + kh * h.step) * W + w.first;
                const int64_t tap = (kd * s.kernel[1] + kh) * s.kernel[2];
                for (int64_t kw = w.begin; kw < w.end; ++kw)
                  for (int v = 0; v < kVectors; ++v) {
                    const T* p = x + (row + kw * w.step) * C + c + v * kLanes<T>;
                    acc[v].take(load_lanes(p, lanes.count(x_end - p)), tap + kw);
                  }
              }
            for (int v = 0; v < kVectors; ++v)
              finish(acc[v], y + c + v * kLanes<T>, lanes.n, od, oh, ow);
          });
        }
      });
}

// dx[i] = the sum over the windows o that hold i of term(offset in dy, lanes to load, tap,
// windows): a vector.
template <class T, class Ahead, class Term>
LAMINA_INLINE void backward_channels_last(const PoolShape& s, T* dx, const Ahead& ahead,
                                          const Term& term) {
  const int64_t C = s.channels;
  const CoverTable covers(s);
  const int64_t windows = 1 + volume(s.kernel) * volume(s.out) / volume(s.in);
  const int64_t dy_end = s.batch * volume(s.out) * C;
  for_rows(
      s, s.in, windows,
      [&](int64_t n, int64_t id, int64_t ih, int64_t c0, int64_t c1, int64_t pixels) {
        const Cover d = covers.of[0][id], h = covers.of[1][ih];
        // Where the rows above did not reach into the last row of windows: time to fetch the next.
        const bool entered = ih == 0 || covers.of[1][ih - 1].end < h.end;
        int64_t reached = 0;
        for (int64_t iw = 0; iw < s.in[2]; ++iw) {
          const Cover w = covers.of[2][iw];
          if (entered && w.end > reached)
            ahead((((n * s.out[0] + d.begin) * s.out[1] + h.end) * s.out[2] + reached) * C + c0,
                  c1 - c0);
          reached = w.end;
          T* pixel = dx + (((n * s.in[0] + id) * s.in[1] + ih) * s.in[2] + iw) * C;
          for_channels<T>(c0, c1, larger(c1 - c0, (pixels - iw) * C), [&](int64_t c, auto lanes) {
            constexpr int kVectors = decltype(lanes)::kVectors;
            Vec<T> sum[kVectors] = {};
            for (int64_t od = d.begin; od < d.end; ++od) {
              const int64_t kd = tap_of(s, 0, od, id);
              if (kd < 0) continue;
              for (int64_t oh = h.begin; oh < h.end; ++oh) {
                const int64_t kh = tap_of(s, 1, oh, ih);
                if (kh < 0) continue;
                for (int64_t ow = w.begin; ow < w.end; ++ow) {
                  const int64_t kw = tap_of(s, 2, ow, iw);
                  if (kw < 0) continue;
                  const int64_t at =
                      (((n * s.out[0] + od) * s.out[1] + oh) * s.out[2] + ow) * C + c;
                  const int64_t tap = (kd * s.kernel[1] + kh) * s.kernel[2] + kw;
                  for (int v = 0; v < kVectors; ++v) {
                    const int64_t o = at + v * kLanes<T>;
                    sum[v] += term(o, lanes.count(dy_end - o), tap, od, oh, ow);
                  }
                }
              }
            }
            for (int v = 0; v < kVectors; ++v)
              store_lanes(pixel + c + v * kLanes<T>, sum[v], lanes.n);
          });
        }
      });
}

}  // namespace lamina::cpu::LAMINA_ISA

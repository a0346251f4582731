// From windows to the elements that won them: max pooling backward through row-major planes, and
// what reads or numbers the winners.
#pragma once

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/pool_spread.h"

namespace lamina::cpu::LAMINA_ISA {

using kernels::PoolShape;

inline constexpr int64_t kWinnerGrain = 1 << 14;  // windows a chunk: some 20 us

// f(offset in y, offset in x of its winner or -1, the winner's place in its plane or -1) for every
// output.  Units (planes, or images if channels-last) go in parallel, for no two of them share an
// input; `start` gets the offset of each in x.
template <bool kChannelsLast, class I, class Start, class F>
LAMINA_INLINE void walk_winners(const PoolShape& s, const I* tap, const Start& start, const F& f) {
  constexpr I kNone = static_cast<I>(-1);
  const int64_t H = s.in[1], W = s.in[2], taps = volume(s.kernel);
  const int64_t inner = kChannelsLast ? s.channels : 1;  // elements that a place in the plane holds
  const int64_t units = kChannelsLast ? s.batch : s.batch * s.channels;
  const Scratch held((taps + s.out[2]) * sizeof(int64_t));
  int64_t* place = held.as<int64_t>();  // of each tap, from the window's first position
  int64_t* across = place + taps;       // first position of each column of windows
  for (int64_t k = 0; k < taps; ++k) {
    const int64_t kw = k % s.kernel[2], kh = k / s.kernel[2] % s.kernel[1],
                  kd = k / s.kernel[2] / s.kernel[1];
    place[k] = (kd * s.dilation[0] * H + kh * s.dilation[1]) * W + kw * s.dilation[2];
  }
  for (int64_t ow = 0; ow < s.out[2]; ++ow) across[ow] = window(s, 2, ow).first;
  const int64_t out = volume(s.out) * inner, in = volume(s.in) * inner, rows = s.out[0] * s.out[1];
  parallel_for(units, 1 + kWinnerGrain / out, [&](int64_t begin, int64_t end) {
    int64_t at = begin * out;
    for (int64_t unit = begin; unit < end; ++unit) {
      start(unit * in);
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t row =
            (window(s, 0, r / s.out[1]).first * H + window(s, 1, r % s.out[1]).first) * W;
        for (int64_t ow = 0; ow < s.out[2]; ++ow)
          for (int64_t c = 0; c < inner; ++c, ++at) {
            const I k = tap[at];
            if (k == kNone) [[unlikely]] {
              f(at, -1, -1);
            } else {
              const int64_t p = row + across[ow] + place[k];
              f(at, unit * in + p * inner + c, p);
            }
          }
      }
    }
  });
}

template <class I, class F>
LAMINA_INLINE void for_winners(const PoolShape& s, const I* tap, const F& f) {
  if (s.channels_last)
    walk_winners<true>(s, tap, [](int64_t) {}, f);
  else
    walk_winners<false>(s, tap, [](int64_t) {}, f);
}

// Any window: each plane is cleared, and each output's gradient added at its winner.
template <class T, class I>
void scatter_planes(const PoolShape& s, const T* dy, const I* tap, T* dx) {
  walk_winners<false>(
      s, tap, [&](int64_t plane) { __builtin_memset(dx + plane, 0, volume(s.in) * sizeof(T)); },
      [&](int64_t o, int64_t i, int64_t) {
        if (i >= 0) dx[i] += dy[o];
      });
}

// Staged rows of windows: their gradients, and their winners with none beside the row.
template <class T>
struct WinnerStage {
  using Tap = typename TapLane<T>::Type;
  struct Source {  // a row of windows, and what a winner in row 0 of the input's taps reads
    const T* grads;
    const Tap* taps;
    Tap base;
  };
  const Scratch held;
  T* grads;
  Tap* taps;
  Source* sources;

  LAMINA_INLINE WinnerStage(int64_t rows, int64_t pitch)
      : held(rows * (pitch * (sizeof(T) + sizeof(Tap)) + sizeof(Source))) {
    sources = held.as<Source>();
    grads = reinterpret_cast<T*>(sources + rows);
    taps = reinterpret_cast<Tap*>(grads + rows * pitch);
    for (int64_t i = 0; i < rows * pitch; ++i) taps[i] = -1;
  }
  template <class I>
  LAMINA_INLINE void load_row(int64_t at, const T* dy, const I* tap, int64_t n) const {
    constexpr int kLane = kLanes<T>;
    int64_t i = 0;
    for (; i + kLane <= n; i += kLane) {
      store(grads + at + i, load(dy + i));
      store(taps + at + i, load_taps<T>(tap + i));
    }
    for (; i < n; ++i) {
      grads[at + i] = dy[i];
      taps[at + i] = tap[i];
    }
  }
};

// Stride 1 or 2: a row of input gathers from the rows of windows that hold it.
template <int kStride, int kWidth, class T, class I>
void gather_planes(const PoolShape& s, const T* dy, const I* tap, T* dx) {
  using Source = typename WinnerStage<T>::Source;
  const Spread spread(s, kLanes<T>);
  const CoverTable covers(s);
  const int64_t H = s.in[1], W = s.in[2], OH = s.out[1], OW = s.out[2], pitch = spread.windows;
  const int64_t reach = (s.kernel[1] - 1) * s.dilation[1];
  const int64_t depths = smaller(s.out[0], (s.kernel[0] - 1) * s.dilation[0] / s.stride[0] + 1);
  const int64_t fit = kStagedWindows / (pitch * depths) * s.stride[1] - reach;
  const int64_t rows = fit >= H ? H : larger(fit, s.stride[1]);
  const int64_t staged =
      smaller(OH, (rows - 1 + reach) / s.stride[1] + 1);  // rows of windows that a tile needs
  for_input_tiles(
      s, rows, [&] { return WinnerStage<T>(depths * staged, pitch); },
      [&](const WinnerStage<T>& stage, int64_t plane, int64_t id, int64_t h0, int64_t h1,
          int64_t limit) {
        const Cover d = covers.of[0][id];
        const int64_t top = covers.of[1][h0].begin, bottom = covers.of[1][h1 - 1].end;
        for (int64_t od = d.begin; od < d.end; ++od)
          for (int64_t oh = top; oh < bottom; ++oh) {
            const int64_t from = ((plane * s.out[0] + od) * OH + oh) * OW;
            stage.load_row(((od - d.begin) * staged + oh - top) * pitch + spread.lead, dy + from,
                           tap + from, OW);
          }
        for (int64_t ih = h0; ih < h1; ++ih) {
          const Cover h = covers.of[1][ih];
          Source* sources = stage.sources;
          int64_t count = 0;
          for (int64_t od = d.begin; od < d.end; ++od)
            for (int64_t oh = h.begin; oh < h.end; ++oh) {
              const int64_t kd = tap_of(s, 0, od, id), kh = tap_of(s, 1, oh, ih);
              if (kd < 0 || kh < 0) continue;
              const int64_t line = ((od - d.begin) * staged + oh - top) * pitch;
              const int64_t base = (kd * s.kernel[1] + kh) * s.kernel[2];
              sources[count++] = {stage.grads + line, stage.taps + line,
                                  static_cast<decltype(Source::base)>(base)};
            }
          const int64_t row = ((plane * s.in[0] + id) * H + ih) * W;
          spread_row<kStride, kWidth>(
              spread, dx + row, limit - row, count, [&](int64_t j, int64_t at, int64_t k) {
                const Source& from = sources[j];
                const auto won = load(from.taps + at) ==
                                 broadcast(static_cast<decltype(Source::base)>(from.base + k));
                return select(won, load(from.grads + at), Vec<T>{});
              });
        }
      });
}

template <int kStride, class T, class I>
void gather_planes(const PoolShape& s, const T* dy, const I* tap, T* dx) {
  switch (s.kernel[2]) {
    case 2:
      return gather_planes<kStride, 2>(s, dy, tap, dx);
    case 3:
      return gather_planes<kStride, 3>(s, dy, tap, dx);
    default:
      return gather_planes<kStride, 0>(s, dy, tap, dx);
  }
}

}  // namespace lamina::cpu::LAMINA_ISA

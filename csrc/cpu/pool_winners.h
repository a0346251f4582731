// From windows to the elements that won them: max pooling backward through row-major planes, and
// what reads or numbers the winners.
#pragma once

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/pool_lanes.h"
#include "cpu/pool_window.h"

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

}  // namespace lamina::cpu::LAMINA_ISA

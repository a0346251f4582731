// Max pooling.
//
// Forward, lanes are channels (channels-last) or neighbouring outputs of a row (row-major); the winner's tap is kept in
// a byte, an eighth of an int64 index's traffic.  Backward, channels-last pixels gather from their windows, and row-major
// planes are scattered to one plane by one thread.  All of it is bound by bytes.
#include "cpu/pool.h"
#include "cpu/pool_channels_last.h"
#include "cpu/pool_runs.h"
#include "cpu/pool_spread.h"
#include "cpu/pool_tiles.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// f(element, tap element) with both types.
template <class F>
LAMINA_INLINE void visit_taps(const PoolShape& s, const F& f) {
  visit_real(s.dtype, [&](auto element) {
    if (kernels::tap_dtype(s) == DType::uint8)
      f(element, uint8_t{});
    else
      f(element, int32_t{});
  });
}

template <class T, class I, bool kTaps>
void forward(const PoolShape& s, const T* x, T* y, I* tap) {
  const auto write = [&](const auto& acc, int64_t at, int n, int64_t, int64_t, int64_t) {
    store_lanes(y + at, acc.value, n);
    if constexpr (kTaps) store_taps<T>(tap + at, acc.tap, n);
  };
  if (s.channels_last) {
    forward_channels_last<T, MaxLanes<T, kTaps>>(s, x, write);
  } else if (!s.adaptive && s.stride[2] == 1) {
    forward_tiles<1, T, MaxLanes<T, kTaps>>(s, x, lowest<T>(), write);
  } else if (!s.adaptive && s.stride[2] == 2) {
    forward_tiles<2, T, MaxLanes<T, kTaps>>(s, x, lowest<T>(), write);
  } else {
    forward_runs<T, RunMax<T>>(s, x, [&](const RunMax<T>& run, int64_t at, int64_t, int64_t, int64_t) {
      y[at] = run.value;
      if constexpr (kTaps) tap[at] = static_cast<I>(run.tap);
    });
  }
}

// f(offset in y, offset in x of its winner or -1, the winner's place in its plane or -1) for every output.  Units (planes,
// or images if channels-last) go in parallel, for no two of them share an input; `start` gets the offset of each in x.
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
    const int64_t kw = k % s.kernel[2], kh = k / s.kernel[2] % s.kernel[1], kd = k / s.kernel[2] / s.kernel[1];
    place[k] = (kd * s.dilation[0] * H + kh * s.dilation[1]) * W + kw * s.dilation[2];
  }
  for (int64_t ow = 0; ow < s.out[2]; ++ow) across[ow] = window(s, 2, ow).first;
  const int64_t out = volume(s.out) * inner, in = volume(s.in) * inner, rows = s.out[0] * s.out[1];
  parallel_for(units, 1 + kRunGrain / out, [&](int64_t begin, int64_t end) {
    int64_t at = begin * out;
    for (int64_t unit = begin; unit < end; ++unit) {
      start(unit * in);
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t row = (window(s, 0, r / s.out[1]).first * H + window(s, 1, r % s.out[1]).first) * W;
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

template <class I, class Start, class F>
LAMINA_INLINE void for_winners(const PoolShape& s, const I* tap, const Start& start, const F& f) {
  if (s.channels_last)
    walk_winners<true>(s, tap, start, f);
  else
    walk_winners<false>(s, tap, start, f);
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

// Stride 1 or 2: a row of input gathers from the rows of outputs that hold it.
template <int kStride, class T, class I>
void gather_planes(const PoolShape& s, const T* dy, const I* tap, T* dx) {
  using Tap = typename TapLane<T>::Type;
  constexpr int kLane = kLanes<T>;
  const Spread spread(s);
  const int64_t W = s.in[2], OW = s.out[2], windows = spread.windows(kLane), positions = spread.positions(kLane);
  parallel_for(s.batch * s.channels * s.in[0] * s.in[1], 1 + kRunGrain / W, [&](int64_t begin, int64_t end) {
    const Scratch held(windows * (sizeof(T) + sizeof(Tap)) + positions * sizeof(T));
    Tap* taps = held.as<Tap>();  // of a row of outputs, none beside it
    T *grads = reinterpret_cast<T*>(taps + windows), *to = grads + windows;
    for (int64_t i = 0; i < windows; ++i) {
      taps[i] = -1;
      grads[i] = T(0);
    }
    int64_t held_row = -1;
    for (int64_t row = begin; row < end; ++row) {
      const int64_t ih = row % s.in[1], id = row / s.in[1] % s.in[0], plane = row / s.in[1] / s.in[0];
      const Cover d = cover(s, 0, id), h = cover(s, 1, ih);
      fill_row(to, positions, T(0));
      for (int64_t od = d.begin; od < d.end; ++od) {
        const int64_t kd = tap_of(s, 0, od, id);
        if (kd < 0) continue;
        for (int64_t oh = h.begin; oh < h.end; ++oh) {
          const int64_t kh = tap_of(s, 1, oh, ih);
          if (kh < 0) continue;
          const int64_t from = (plane * s.out[0] + od) * s.out[1] + oh;
          if (from != held_row) {
            held_row = from;
            __builtin_memcpy(grads + spread.lead, dy + from * OW, OW * sizeof(T));
            for (int64_t ow = 0; ow < OW; ow += kLane) {
              const int n = static_cast<int>(smaller(kLane, OW - ow));
              store_taps<T>(taps + spread.lead + ow, load_taps<T>(tap + from * OW + ow, n), n);
            }
          }
          const int64_t base = (kd * s.kernel[1] + kh) * s.kernel[2];
          spread_row<kStride>(
              spread,
              [&](int64_t at, int64_t k) {
                return select(load(taps + at) == broadcast(static_cast<Tap>(base + k)), load(grads + at), Vec<T>{});
              },
              to);
        }
      }
      __builtin_memcpy(dx + row * W, to + spread.padding, W * sizeof(T));
    }
  });
}

template <class T, class I>
void backward(const PoolShape& s, const T* dy, const I* tap, T* dx) {
  if (s.channels_last) {
    backward_channels_last<T>(s, dx, [&](int64_t o, int64_t k, const auto& lanes, int64_t, int64_t, int64_t) {
      const auto won = load_taps<T>(tap + o, lanes.n) == broadcast(static_cast<typename TapLane<T>::Type>(k));
      return select(won, lanes.get(dy + o), Vec<T>{});
    });
  } else if (!s.adaptive && s.stride[2] == 1) {
    gather_planes<1>(s, dy, tap, dx);
  } else if (!s.adaptive && s.stride[2] == 2) {
    gather_planes<2>(s, dy, tap, dx);
  } else {
    scatter_planes(s, dy, tap, dx);
  }
}

}  // namespace

void max_pool_forward(const PoolShape& s, const void* x, void* y, void* tap) {
  visit_taps(s, [&](auto element, auto tap_element) {
    using T = decltype(element);
    using I = decltype(tap_element);
    const T* from = static_cast<const T*>(x);
    if (tap)
      forward<T, I, true>(s, from, static_cast<T*>(y), static_cast<I*>(tap));
    else if constexpr (sizeof(I) == 1)
      forward<T, I, false>(s, from, static_cast<T*>(y), nullptr);
    else
      forward<T, uint8_t, false>(s, from, static_cast<T*>(y), nullptr);
  });
}

void max_pool_backward(const PoolShape& s, const void* dy, const void* tap, void* dx) {
  visit_taps(s, [&](auto element, auto tap_element) {
    using T = decltype(element);
    backward(s, static_cast<const T*>(dy), static_cast<const decltype(tap_element)*>(tap), static_cast<T*>(dx));
  });
}

void max_pool_gather(const PoolShape& s, const void* x, const void* tap, void* y) {
  visit_taps(s, [&](auto element, auto tap_element) {
    using T = decltype(element);
    const T* from = static_cast<const T*>(x);
    T* to = static_cast<T*>(y);
    for_winners(s, static_cast<const decltype(tap_element)*>(tap), [](int64_t) {},
                [&](int64_t o, int64_t i, int64_t) { to[o] = i >= 0 ? from[i] : T(0); });
  });
}

void max_pool_plane_index(const PoolShape& s, const void* tap, int64_t* index) {
  visit_taps(s, [&](auto, auto tap_element) {
    for_winners(s, static_cast<const decltype(tap_element)*>(tap), [](int64_t) {},
                [&](int64_t o, int64_t, int64_t p) { index[o] = p; });
  });
}

}  // namespace lamina::cpu::LAMINA_ISA

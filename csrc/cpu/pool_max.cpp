// Max pooling.
//
// Forward, lanes are channels (channels-last) or neighbouring outputs of a row (row-major); the winner's tap is kept in
// a byte, an eighth of an int64 index's traffic.  Backward, channels-last pixels gather from their windows, and row-major
// planes are scattered to one plane by one thread.  All of it is bound by bytes.
#include "cpu/pool.h"
#include "cpu/pool_channels_last.h"
#include "cpu/pool_runs.h"
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
template <class I, class Start, class F>
LAMINA_INLINE void for_winners(const PoolShape& s, const I* tap, const Start& start, const F& f) {
  constexpr I kNone = static_cast<I>(-1);
  const int64_t H = s.in[1], W = s.in[2], taps = volume(s.kernel);
  const int64_t inner = s.channels_last ? s.channels : 1;  // elements that a place in the plane holds
  const int64_t units = s.channels_last ? s.batch : s.batch * s.channels;
  const Scratch held((taps + s.out[2]) * sizeof(int64_t));
  int64_t* place = held.as<int64_t>();  // of each tap, from the window's first position
  int64_t* across = place + taps;       // first position of each column of windows
  for (int64_t k = 0; k < taps; ++k) {
    const int64_t kw = k % s.kernel[2], kh = k / s.kernel[2] % s.kernel[1], kd = k / s.kernel[2] / s.kernel[1];
    place[k] = (kd * s.dilation[0] * H + kh * s.dilation[1]) * W + kw * s.dilation[2];
  }
  for (int64_t ow = 0; ow < s.out[2]; ++ow) across[ow] = window(s, 2, ow).first;
  const int64_t out = volume(s.out) * inner, in = volume(s.in) * inner;
  parallel_for(units, 1 + kRunGrain / out, [&](int64_t begin, int64_t end) {
    int64_t at = begin * out;
    for (int64_t unit = begin; unit < end; ++unit) {
      start(unit * in);
      for (int64_t od = 0; od < s.out[0]; ++od)
        for (int64_t oh = 0; oh < s.out[1]; ++oh) {
          const int64_t row = (window(s, 0, od).first * H + window(s, 1, oh).first) * W;
          for (int64_t ow = 0; ow < s.out[2]; ++ow)
            for (int64_t c = 0; c < inner; ++c, ++at) {
              const I k = tap[at];
              const int64_t p = k == kNone ? -1 : row + across[ow] + place[k];
              f(at, k == kNone ? -1 : unit * in + p * inner + c, p);
            }
        }
    }
  });
}

template <class T, class I>
void backward_planes(const PoolShape& s, const T* dy, const I* tap, T* dx) {
  for_winners(
      s, tap, [&](int64_t plane) { __builtin_memset(dx + plane, 0, volume(s.in) * sizeof(T)); },
      [&](int64_t o, int64_t i, int64_t) {
        if (i >= 0) dx[i] += dy[o];
      });
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
    using I = decltype(tap_element);
    const T* g = static_cast<const T*>(dy);
    const I* taps = static_cast<const I*>(tap);
    if (!s.channels_last) return backward_planes(s, g, taps, static_cast<T*>(dx));
    backward_channels_last<T>(
        s, static_cast<T*>(dx),
        [&](int64_t o, int64_t k, const auto& lanes, int64_t, int64_t, int64_t) {
          const auto won = load_taps<T>(taps + o, lanes.n) == broadcast(static_cast<typename TapLane<T>::Type>(k));
          return select(won, lanes.get(g + o), Vec<T>{});
        });
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

// Max pooling.
//
// Forward, lanes are channels (channels-last) or neighbouring outputs of a row (row-major); the
// winner's tap is kept in a byte, an eighth of an int64 index's traffic.  Backward, each position
// of the input gathers from the windows that hold it; with strides over 2 and adaptive windows of
// row-major planes, windows scatter to their plane.
//
// Bound by bytes.  One Zen 5 core, forward: 33 to 49 GB/s channels-last, 17 to 32 row-major, where
// a copy moves 35; the input that the next row of windows reads first is asked for ahead, without
// which it is half of that.
#include "cpu/pool.h"
#include "cpu/pool_channels_last.h"
#include "cpu/pool_gather.h"
#include "cpu/pool_runs.h"
#include "cpu/pool_tiles.h"
#include "cpu/pool_winners.h"

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
  } else if (!goes_by_runs(s)) {
    forward_tiles<T, MaxLanes<T, kTaps>>(s, x, lowest<T>(), write);
  } else {
    forward_runs<T, RunMax<T>>(s, x,
                               [&](const RunMax<T>& run, int64_t at, int64_t, int64_t, int64_t) {
                                 y[at] = run.value;
                                 if constexpr (kTaps) tap[at] = static_cast<I>(run.tap);
                               });
  }
}

// What the windows whose winner was tap k pass on to it.
template <class T, class I>
struct WinnerPlane {
  const T* dy;
  const I* tap;
  PlaneBounds bounds;

  template <bool kEdge>
  LAMINA_INLINE Vec<T> of(const WindowRow& row, int64_t from, int64_t k, int64_t width) const {
    using Tap = typename TapLane<T>::Type;
    const int64_t at = row.begin + from;
    const TapVec<T> wanted = broadcast(static_cast<Tap>(row.tap + k));
    if constexpr (kEdge) {
      if (!bounds.hold(at)) [[unlikely]]
        return at_end(dy + row.begin, tap + row.begin, from, row.tap + k, width);
      const auto won = (load_taps<T>(tap + at) == wanted) & inside_row<T>(from, width);
      return select(won, load(dy + at), Vec<T>{});
    }
    return select(load_taps<T>(tap + at) == wanted, load(dy + at), Vec<T>{});
  }
  LAMINA_INLINE void prefetch(int64_t at) const {
    __builtin_prefetch(dy + at);
    __builtin_prefetch(tap + at);
  }

 private:
  // Static, so that a plane may stay in registers.
  __attribute__((noinline)) static Vec<T> at_end(const T* grads, const I* taps, int64_t from,
                                                 int64_t k, int64_t width) {
    Vec<T> won{};
    for (int64_t i = 0; i < kLanes<T>; ++i)
      if (from + i >= 0 && from + i < width && taps[from + i] == k) won[i] = grads[from + i];
    return won;
  }
};

template <class T, class I>
void backward(const PoolShape& s, const T* dy, const I* tap, T* dx) {
  if (s.channels_last) {
    const auto ahead = [&](int64_t at, int64_t n) {
      prefetch(dy + at, n);
      prefetch(tap + at, n);
    };
    backward_channels_last<T>(
        s, dx, ahead, [&](int64_t o, int n, int64_t k, int64_t, int64_t, int64_t) {
          const auto won =
              load_taps<T>(tap + o, n) == broadcast(static_cast<typename TapLane<T>::Type>(k));
          return select(won, load_lanes(dy + o, n), Vec<T>{});
        });
  } else if (gathers(s)) {
    gather_planes(s, dx, [&](int64_t at, PlaneBounds bounds) {
      return WinnerPlane<T, I>{dy + at, tap + at, bounds};
    });
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
    backward(s, static_cast<const T*>(dy), static_cast<const decltype(tap_element)*>(tap),
             static_cast<T*>(dx));
  });
}

void max_pool_gather(const PoolShape& s, const void* x, const void* tap, void* y) {
  visit_taps(s, [&](auto element, auto tap_element) {
    using T = decltype(element);
    const T* from = static_cast<const T*>(x);
    T* to = static_cast<T*>(y);
    for_winners(s, static_cast<const decltype(tap_element)*>(tap),
                [&](int64_t o, int64_t i, int64_t) { to[o] = i >= 0 ? from[i] : T(0); });
  });
}

void max_pool_plane_index(const PoolShape& s, const void* tap, int64_t* index) {
  visit_taps(s, [&](auto, auto tap_element) {
    for_winners(s, static_cast<const decltype(tap_element)*>(tap),
                [&](int64_t o, int64_t, int64_t p) { index[o] = p; });
  });
}

}  // namespace lamina::cpu::LAMINA_ISA

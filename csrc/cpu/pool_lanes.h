// The accumulators of pooling: a vector of outputs at a time, fed with one tap of their windows
// after another.
#pragma once

#include "cpu/lanes.h"
#include "cpu/pool_taps.h"

namespace lamina::cpu::LAMINA_ISA {

// Asks for n elements ahead of use, which may lie past the end of the array: windows jump from row
// to row, and the processor's own prefetching follows such steps late.
template <class T>
LAMINA_INLINE void prefetch(const T* p, int64_t n) {
  for (int64_t i = 0; i < n; i += 64 / static_cast<int64_t>(sizeof(T))) __builtin_prefetch(p + i);
}

template <class T>
LAMINA_INLINE T lowest() {
  return -static_cast<T>(__builtin_inf());
}

// The largest element so far.  kTaps: and the tap that it came from.
template <class T, bool kTaps>
struct MaxLanes {
  static constexpr bool kHasTaps = kTaps;
  Vec<T> value;
  TapVec<T> tap;

  // `first`: the tap that wins if all elements are -inf.
  LAMINA_INLINE void begin(TapVec<T> first) {
    value = broadcast(lowest<T>());
    tap = first;
  }
  LAMINA_INLINE void take(Vec<T> x, int64_t k) {
    const auto wins = (x > value) | (x != x);
    value = select(wins, x, value);
    if constexpr (kTaps)
      tap = select(wins, broadcast(static_cast<typename TapLane<T>::Type>(k)), tap);
  }
};

template <class T>
struct SumLanes {
  static constexpr bool kHasTaps = false;
  Vec<T> value;

  LAMINA_INLINE void begin(TapVec<T>) { value = Vec<T>{}; }
  LAMINA_INLINE void take(Vec<T> x, int64_t) { value += x; }
};

}  // namespace lamina::cpu::LAMINA_ISA

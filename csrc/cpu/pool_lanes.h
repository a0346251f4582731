// The accumulators of pooling: a vector of outputs at a time, fed with one tap of their windows
// after another.
#pragma once

#include "cpu/lanes.h"

namespace lamina::cpu::LAMINA_ISA {

template <class T>
struct TapLane {
  using Type = int32_t;
};
template <>
struct TapLane<double> {
  using Type = int64_t;
};
template <class T>
using TapVec = Vec<typename TapLane<T>::Type>;  // as many taps as a vector has T

template <class I, int kCount>
struct TapMemory {
  typedef I Type __attribute__((vector_size(sizeof(I) * kCount)));
};

// Taps lie in memory as uint8 or int32.  Widening goes by doublings: GCC 12 takes a wider step lane
// by lane.
template <class T, class I>
LAMINA_INLINE TapVec<T> load_taps(const I* p, int n = kLanes<T>) {
  typename TapMemory<I, kLanes<T>>::Type v{};
  if (n == kLanes<T>) {
    __builtin_memcpy(&v, p, sizeof v);
  } else {
    for (int i = 0; i < n; ++i) v[i] = p[i];
  }
  if constexpr (sizeof(I) == 1) {
    const auto half = __builtin_convertvector(v, typename TapMemory<uint16_t, kLanes<T>>::Type);
    return __builtin_convertvector(
        __builtin_convertvector(half, typename TapMemory<int32_t, kLanes<T>>::Type), TapVec<T>);
  } else {
    return __builtin_convertvector(v, TapVec<T>);
  }
}

template <class T, class I>
LAMINA_INLINE void store_taps(I* p, TapVec<T> v, int n = kLanes<T>) {
  const auto narrow = __builtin_convertvector(v, typename TapMemory<I, kLanes<T>>::Type);
  if (n == kLanes<T>) {
    __builtin_memcpy(p, &narrow, sizeof narrow);
  } else {
    for (int i = 0; i < n; ++i) p[i] = narrow[i];
  }
}

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

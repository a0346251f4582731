// Global pooling: sums over whole row-major planes, and back.
//
// As many planes go at once as a vector has lanes: each adds up its vectors, then one transpose turns
// their lanes into sums, where a reduction a plane would cost more than a small plane itself.  On a
// Zen 5 core 33 GB/s for 4x4 planes, 60 to 68, the memory's, from 14x14 on.
#pragma once

#include "core/parallel.h"
#include "cpu/lane_transpose.h"
#include "cpu/lanes.h"
#include "cpu/shuffle.h"

namespace lamina::cpu::LAMINA_ISA {

inline constexpr int64_t kGlobalGrain = 1 << 15;  // elements a chunk: some 5 us

// The n elements at p, added up to a vector of lanes.  `end`: of the array, up to which may be read.
template <class T>
LAMINA_INLINE Vec<T> add_vectors(const T* p, int64_t n, const T* end) {
  constexpr int kLane = kLanes<T>;
  Vec<T> sum{}, next{};
  int64_t i = 0;
  for (; i + 2 * kLane <= n; i += 2 * kLane) {
    sum += load(p + i);
    next += load(p + i + kLane);
  }
  if (i + kLane <= n) {
    sum += load(p + i);
    i += kLane;
  }
  const int rest = static_cast<int>(n - i);
  if (rest == 0) return sum + next;
  if (p + i + kLane > end) return sum + next + load_partial(p + i, rest);
  return sum + next + select(first_lanes<T>(rest), load(p + i), Vec<T>{});
}

// finish(plane, vector of sums, how many of them) for all planes of n elements each.
template <class T, class Finish>
LAMINA_INLINE void sum_planes(const T* x, int64_t planes, int64_t n, const Finish& finish) {
  constexpr int64_t kLane = kLanes<T>;
  const T* array_end = x + planes * n;
  const int64_t blocks = (planes + kLane - 1) / kLane;
  parallel_for(blocks, 1 + kGlobalGrain / (n * kLane), [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * kLane;
      const int64_t count = planes - first < kLane ? planes - first : kLane;
      Vec<T> square[kLane];
      for (int64_t i = 0; i < kLane; ++i)
        square[i] = i < count ? add_vectors(x + (first + i) * n, n, array_end) : Vec<T>{};
      transpose_lanes<T>(square);
      Vec<T> sum = square[0];
      for (int64_t i = 1; i < kLane; ++i) sum += square[i];
      finish(first, sum, static_cast<int>(count));
    }
  });
}

// Fills each plane of n elements with value(plane).
template <class T, class Value>
LAMINA_INLINE void fill_planes(T* x, int64_t planes, int64_t n, const Value& value) {
  constexpr int64_t kLane = kLanes<T>;
  parallel_for(planes, 1 + kGlobalGrain / n, [&](int64_t begin, int64_t end) {
    T* to = x + begin * n;
    for (int64_t plane = begin; plane < end; ++plane, to += n) {
      const T filled = value(plane);
      const Vec<T> v = broadcast(filled);
      int64_t i = 0;
      for (; i + kLane <= n; i += kLane) store(to + i, v);
      if (i == n) continue;
      if ((end - plane) * n >= i + kLane)  // runs on into planes that are filled next
        store(to + i, v);
      else
        for (; i < n; ++i) to[i] = filled;
    }
  });
}

}  // namespace lamina::cpu::LAMINA_ISA

// Pooling of row-major planes (N, C, D, H, W) forward: lanes are neighbouring outputs of a row.
//
// Windows with stride 1 or 2 go through tiles of outputs: a tile whose windows leave the plane is first copied, with
// its padding, into scratch memory, so that the inner loop knows no borders.  Two vectors of input give the even and
// the odd taps of a vector of stride-2 outputs.  Other windows are runs of memory, reduced one after another.
#pragma once

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/pool_lanes.h"
#include "cpu/pool_window.h"

namespace lamina::cpu::LAMINA_ISA {

using kernels::PoolShape;

inline constexpr int64_t kTileColumns = 1024, kTileElements = 1 << 14;
inline constexpr int64_t kTapsAChunk = 1 << 17;  // some 5 us

#if defined(__clang__)
#define LAMINA_SHUFFLE(a, b, I) __builtin_shufflevector(a, b, I)
#endif

// Lanes 0, 2, 4, ... (kOdd: 1, 3, 5, ...) of a followed by b.
template <class T, int kOdd, class Lane = typename TapLane<T>::Type>
LAMINA_INLINE Vec<T> every_other(Vec<T> a, Vec<T> b) {
  if constexpr (kLanes<T> == 2)
    return __builtin_shufflevector(a, b, kOdd, 2 + kOdd);
  else if constexpr (kLanes<T> == 4)
    return __builtin_shufflevector(a, b, kOdd, 2 + kOdd, 4 + kOdd, 6 + kOdd);
  else if constexpr (kLanes<T> == 8)
    return __builtin_shufflevector(a, b, kOdd, 2 + kOdd, 4 + kOdd, 6 + kOdd, 8 + kOdd, 10 + kOdd, 12 + kOdd,
                                   14 + kOdd);
  else
    return __builtin_shufflevector(a, b, kOdd, 2 + kOdd, 4 + kOdd, 6 + kOdd, 8 + kOdd, 10 + kOdd, 12 + kOdd,
                                   14 + kOdd, 16 + kOdd, 18 + kOdd, 20 + kOdd, 22 + kOdd, 24 + kOdd,
                                   26 + kOdd, 28 + kOdd, 30 + kOdd);
}

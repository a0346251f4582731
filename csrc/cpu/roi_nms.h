// Greedy suppression: the boxes, best first, as columns of coordinates; each that is kept strikes out
// what it overlaps, a vector of later boxes at a time.  Bound by arithmetic: n^2 / 2 overlaps.
#pragma once

#include "core/dtype.h"
#include "core/memory.h"
#include "cpu/roi_bins.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

template <class T>
int64_t suppress_sorted(int64_t n, const T* boxes, const int64_t* order, T threshold,
                        int64_t* kept) {
  const Scratch held(static_cast<size_t>(n) * (5 * sizeof(T) + 1));
  T *x1 = held.as<T>(), *y1 = x1 + n, *x2 = y1 + n, *y2 = x2 + n, *area = y2 + n;
  uint8_t* struck = reinterpret_cast<uint8_t*>(area + n);
  for (int64_t i = 0; i < n; ++i) {
    const T* box = boxes + 4 * order[i];
    x1[i] = box[0];
    y1[i] = box[1];
    x2[i] = box[2];
    y2[i] = box[3];
    area[i] = (box[2] - box[0]) * (box[3] - box[1]);
    struck[i] = 0;
  }
  int64_t count = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (struck[i]) continue;
    kept[count++] = order[i];
    const Box<T> own{x1[i], y1[i], x2[i], y2[i], area[i]};
#pragma GCC ivdep
    for (int64_t j = i + 1; j < n; ++j)
      struck[j] |= overlap(own, Box<T>{x1[j], y1[j], x2[j], y2[j], area[j]}) > threshold;
  }
  return count;
}

int64_t suppress(DType dtype, int64_t n, const void* boxes, const int64_t* order, double threshold,
                 int64_t* kept) {
  return visit_real(dtype, [&](auto element) {
    using T = decltype(element);
    return suppress_sorted(n, static_cast<const T*>(boxes), order, static_cast<T>(threshold), kept);
  });
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

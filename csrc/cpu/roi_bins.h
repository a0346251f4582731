// The bins of a region along one axis.
#pragma once

#include "cpu/scalar_math.h"
#include "cpu/vec.h"
#include "kernels/roi.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::RoiShape;

// A bin takes `count` positions from `first` on.
struct Span {
  int64_t first, count;
};

// RoIAlign: the samples of a bin are points; each shares itself between two neighbours.  A bin's
// mean over both axes' samples is the product of what each axis shares out, so that it costs as
// many taps as pixels under it, not four times its samples.
template <class T>
struct AlignedBins {
  Span* spans;  // (bins,)
  T* weights;   // (bins, size)
  int64_t size;

  LAMINA_INLINE const T* of(int64_t bin) const { return weights + bin * size; }

  LAMINA_INLINE void fill(const RoiShape& s, T low, T high, int64_t bins) {
    const T offset = s.aligned ? T(0.5) : T(0), scale = static_cast<T>(s.scale);
    const T start = low * scale - offset;
    T length = high * scale - offset - start;
    if (!s.aligned && length < 1) length = 1;
    const T step = length / static_cast<T>(bins);
    const int64_t wanted =
        s.sampling_ratio > 0 ? s.sampling_ratio : static_cast<int64_t>(scalar::ceil(step));
    const T share = T(1) / static_cast<T>(wanted > 1 ? wanted : 1);
    for (int64_t b = 0; b < bins; ++b) {
      T* w = weights + b * size;
      int64_t first = size, end = 0;
      for (int64_t i = 0; i < size; ++i) w[i] = 0;
      for (int64_t k = 0; k < wanted; ++k) {
        T at = start + static_cast<T>(b) * step +
               (static_cast<T>(k) + T(0.5)) * step / static_cast<T>(wanted);
        if (at < -1 || at > static_cast<T>(size)) continue;
        at = at > 0 ? at : T(0);
        const T last = static_cast<T>(size - 1);
        const int64_t below = static_cast<int64_t>(at < last ? at : last);
        const int64_t above = below + 1 < size ? below + 1 : below;
        const T part = at < last ? at - static_cast<T>(below) : T(0);
        w[below] += (1 - part) * share;
        w[above] += part * share;
        first = below < first ? below : first;
        end = above + 1 > end ? above + 1 : end;
      }
      spans[b] = {first, end > first ? end - first : 0};
    }
  }
};

// RoIPool: whole pixels, bins overlap where their bounds are rounded outward.
template <class T>
LAMINA_INLINE void pooled_bins(const RoiShape& s, T low, T high, int64_t size, int64_t bins,
                               Span* spans) {
  const T scale = static_cast<T>(s.scale);
  const T away = T(0.5);  // round half away from zero
  const auto round = [&](T x) { return scalar::trunc(x + scalar::copysign(away, x)); };
  const T start = round(low * scale), end = round(high * scale);
  const T length = end - start + 1 > 1 ? end - start + 1 : T(1);
  const T step = length / static_cast<T>(bins), limit = static_cast<T>(size);
  const auto within = [&](T x) { return static_cast<int64_t>(x < 0 ? 0 : x > limit ? limit : x); };
  for (int64_t b = 0; b < bins; ++b) {
    const int64_t first = within(scalar::floor(static_cast<T>(b) * step) + start);
    const int64_t last = within(scalar::ceil(static_cast<T>(b + 1) * step) + start);
    spans[b] = {first, last > first ? last - first : 0};
  }
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

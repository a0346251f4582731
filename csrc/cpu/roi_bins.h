// The bins of a region along one axis.
#pragma once

#include "cpu/scalar_math.h"
#include "cpu/vec.h"
#include "kernels/roi.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::RoiShape;

#include "kernels/roi.inc"

template <class T>
struct AlignedBins {
  Span* spans;  // (bins,)
  T* weights;   // (bins, size)
  int64_t size;

  LAMINA_INLINE T* of(int64_t bin) const { return weights + bin * size; }

  LAMINA_INLINE void fill(const RoiShape& s, T low, T high, int64_t bins) {
    for (int64_t b = 0; b < bins; ++b) spans[b] = aligned_bin(s, low, high, bins, b, size, of(b));
  }
};

template <class T>
LAMINA_INLINE void pooled_bins(const RoiShape& s, T low, T high, int64_t size, int64_t bins,
                               Span* spans) {
  for (int64_t b = 0; b < bins; ++b) spans[b] = pooled_bin(s, low, high, bins, b, size);
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

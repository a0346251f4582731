// What the kernels for few channels share: how an axis is cut, and walking the positions of a box.
#pragma once

#include "cpu/conv_box.h"
#include "cpu/conv_taps.h"
#include "cpu/conv_tile.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int kMaxSmallPlaces = 8;  // of a register tile
inline constexpr int64_t kSmallTaskWork =
    int64_t{2} << 20;  // multiply-adds: some 20 microseconds, enough to hand to another thread

// As many places as leave K * P sums, the operands and a temporary in registers.
template <int K>
inline constexpr int kSmallPlaces =
#if defined(__AVX512F__)
    K <= 3   ? 8
    : K == 4 ? 6
    : K <= 6 ? 4
    : K <= 8 ? 3
             : 2;
#else
    K == 1   ? 8
    : K == 2 ? 6
    : K == 3 ? 4
    : K == 4 ? 3
    : K <= 6 ? 2
             : 1;
#endif

// Boxes of about `most` positions whose rows are at most `widest`: less halo than whole rows have.
LAMINA_INLINE BoxCut cut_square_boxes(const TapSum& s, int64_t most, int64_t widest) {
  const int64_t width = s.grid[2], parts = ceil_div(width, widest), box = ceil_div(width, parts);
  BoxCut cut = cut_boxes({s.n, s.grid[0], s.grid[1], box}, most, 1);
  cut.extent[3] = width;
  cut.count[3] = ceil_div(width, cut.box[3]);
  return cut;
}

// The sums of one pass have grids of their own, at most one position apart: one box serves them
// all, cut from the largest grid and clipped to each.
LAMINA_INLINE Box clip(const Box& box, const TapSum& s) {
  Box clipped = box;
  for (int d = 0; d < kConvDims; ++d)
    clipped.size[1 + d] = clamp(s.grid[d] - box.begin[1 + d], 0, box.size[1 + d]);
  return clipped;
}

// The positions that some sum of the pass has, with the inputs that any of them meets.
LAMINA_INLINE TapSum unite(const TapSum* sums, int64_t count) {
  TapSum all = sums[0];
  for (int d = 0; d < kConvDims; ++d) {
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (int64_t i = 0; i < count; ++i) {
      const AxisTaps& a = sums[i].axis[d];
      if (sums[i].grid[d] > all.grid[d]) all.grid[d] = sums[i].grid[d];
      if (a.count == 0) continue;
      if (a.offset < first) first = a.offset;
      const int64_t end = a.offset + (a.count - 1) * a.offset_step;
      if (end > last) last = end;
    }
    all.axis[d] = first <= last ? AxisTaps{2, first, last - first, 0, 1} : AxisTaps{1, 0, 1, 0, 1};
  }
  return all;
}

// The taps [first, last) of an axis that meet x at output position o.
struct TapRange {
  int64_t first, last;

  LAMINA_INLINE int64_t count() const { return last > first ? last - first : 0; }
};
LAMINA_INLINE TapRange taps_inside(const TapSum& s, int d, int64_t o) {
  const AxisTaps& a = s.axis[d];
  const int64_t at = o * s.step[d] + a.offset;  // of tap 0; tap i is at + i * offset_step
  const int64_t step = a.offset_step > 1 ? a.offset_step : 1;  // 0 where there is a single tap
  const int64_t first = at < 0 ? ceil_div(-at, step) : 0;
  const int64_t last = at < s.in[d] ? ceil_div(s.in[d] - at, step) : 0;
  return {first, last < a.count ? last : a.count};
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

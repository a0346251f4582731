// Backward through row-major planes with stride 1 or 2: lanes are neighbouring positions of an input
// row, which gather from the windows that hold them.
//
// Position t * stride + q is tap k of window t - m wherever k * dilation - padding = m * stride + q:
// each phase q adds up what runs of windows have for it, straight from memory; the two phases of
// stride 2 are then interleaved.  Only where a run leaves its row of windows are lanes masked.  Which
// rows of windows hold a row of input is the same in every plane and listed once.  Bound by
// instructions (rows are short), and by the latency of dy without the prefetch: 930 against 1300 us
// for max 2x2 on 16 MB.
//
// A `Source` is a plane of windows: of<kEdge>(row, from, k, width) gives a vector of what the windows
// [from, from + lanes) of a row have for their tap k; kEdge: some of them may lie outside the row of
// `width`, and then give 0.
#pragma once

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/pool_lanes.h"
#include "cpu/pool_window.h"
#include "cpu/shuffle.h"

namespace lamina::cpu::LAMINA_ISA {

using kernels::PoolShape;

inline constexpr int64_t kGatherGrain = 1 << 15;  // positions a chunk: some 5 us
inline constexpr int64_t kGatherAhead = 512;      // windows fetched before their turn

// A row of windows that holds a row of input: its number and where it begins in its plane of dy, and
// the first tap that lies in the row of input.
struct WindowRow {
  int64_t line, begin, tap;
};

// The rows of windows of every row of input of a plane: those of row i are windows[first[i]] to
// windows[first[i + 1] - 1].
struct RowTable {
  const Scratch held;
  const int64_t* first;
  const WindowRow* windows;

  LAMINA_INLINE static int64_t most(const PoolShape& s) {
    return (s.kernel[0] * s.out[0] + 1) * (s.kernel[1] * s.out[1] + 1);  // each window's rows
  }
  LAMINA_INLINE explicit RowTable(const PoolShape& s)
      : held(most(s) * sizeof(WindowRow) + (s.in[0] * s.in[1] + 1) * sizeof(int64_t)) {
    WindowRow* next = held.as<WindowRow>();
    int64_t* begin = reinterpret_cast<int64_t*>(next + most(s));
    windows = next;
    first = begin;
    for (int64_t id = 0; id < s.in[0]; ++id)
      for (int64_t ih = 0; ih < s.in[1]; ++ih) {
        *begin++ = next - windows;
        const Cover d = cover(s, 0, id), h = cover(s, 1, ih);
        for (int64_t od = d.begin; od < d.end; ++od)
          for (int64_t oh = h.begin; oh < h.end; ++oh) {
            const int64_t kd = tap_of(s, 0, od, id), kh = tap_of(s, 1, oh, ih);
            if (kd < 0 || kh < 0) continue;
            const int64_t line = od * s.out[1] + oh;
            *next++ = {line, line * s.out[2], (kd * s.kernel[1] + kh) * s.kernel[2]};
          }
      }
    *begin = next - windows;
  }
};

// Columns of a gathering; kept in registers.
struct GatherColumns {
  int64_t in, out, kernel, padding, dilation;
};

// Where a vector may begin in a plane of windows without reading beyond the array.
struct PlaneBounds {
  int64_t low, high;

  LAMINA_INLINE bool hold(int64_t at) const { return at >= low && at <= high; }
};

// The lanes whose windows, from `from` on, lie in a row of `width`.
template <class T>
LAMINA_INLINE auto inside_row(int64_t from, int64_t width) {
  using Tap = typename TapLane<T>::Type;
  const TapVec<T> window =
      count_up<Tap>(typename CountLanes<kLanes<T>>::Type{}) + broadcast(static_cast<Tap>(from));
  return (window >= 0) & (window < broadcast(static_cast<Tap>(width)));
}

// The positions from t * stride on of a row of input.  kWidth: the kernel's width where it is known.
template <int kStride, int kWidth, bool kEdge, class T, class Source>
LAMINA_INLINE void gather_lanes(const GatherColumns& c, const Source& plane, const WindowRow* begin,
                                const WindowRow* end, int64_t t, Vec<T> (&sum)[kStride]) {
  const int64_t kernel = kWidth ? kWidth : c.kernel;
  for (int q = 0; q < kStride; ++q) sum[q] = Vec<T>{};
  for (const WindowRow* row = begin; row != end; ++row) {
    if constexpr (kStride == 1) {
      for (int64_t k = 0; k < kernel; ++k)
        sum[0] += plane.template of<kEdge>(*row, t + c.padding - k * c.dilation, k, c.out);
    } else {  // the even taps hold one phase, the odd ones the other
      const int64_t even = t + ((c.padding + 1) >> 1), odd = t + (c.padding >> 1);
      for (int64_t k = 0; k < kernel; k += 2) {
        sum[0] += plane.template of<kEdge>(*row, even - (k >> 1), k, c.out);
        if (k + 1 < kernel) sum[1] += plane.template of<kEdge>(*row, odd - (k >> 1), k + 1, c.out);
      }
    }
  }
}

// Stores the first n lanes, or all if there are fewer than n.
template <class T>
LAMINA_INLINE void store_up_to(T* p, Vec<T> v, int64_t n) {
  if (n >= kLanes<T>) [[likely]]
    store(p, v);
  else if (n > 0)
    store_partial(p, v, static_cast<int>(n));
}

// A row of input; up to `room` elements from `to` on may be written.
template <int kStride, int kWidth, class T, class Source>
LAMINA_INLINE void gather_row(const GatherColumns& c, const Source& plane, const WindowRow* begin,
                              const WindowRow* end, T* to, int64_t room) {
  constexpr int kLane = kLanes<T>;
  const int64_t steps = kStride == 1 ? c.in : (c.in + 1) >> 1;
  // The runs of all taps lie in [t - reach, t + ahead + lanes).
  const int64_t ahead = kStride == 1 ? c.padding : (c.padding + 1) >> 1;
  const int64_t reach = kStride == 1 ? (c.kernel - 1) * c.dilation - c.padding : c.kernel >> 1;
  for (int64_t t = 0; t < steps; t += kLane) {
    plane.prefetch(begin->begin + t + kGatherAhead);
    Vec<T> sum[kStride];
    if (t >= reach && t + ahead + kLane <= c.out)
      gather_lanes<kStride, kWidth, false, T>(c, plane, begin, end, t, sum);
    else
      gather_lanes<kStride, kWidth, true, T>(c, plane, begin, end, t, sum);
    if constexpr (kStride == 1) {
      store_up_to(to + t, sum[0], room - t);
    } else {
      const bool odd_first = c.padding & 1;  // whether the odd taps hold the even positions
      const Vec<T> a = odd_first ? sum[1] : sum[0], b = odd_first ? sum[0] : sum[1];
      store_up_to(to + 2 * t, interleave<T>(a, b, 0), room - 2 * t);
      store_up_to(to + 2 * t + kLane, interleave<T>(a, b, 1), room - 2 * t - kLane);
    }
  }
}

// source(offset of a plane in dy, its bounds) makes its Source.
template <int kStride, int kWidth, class T, class MakeSource>
LAMINA_INLINE void gather_planes(const PoolShape& s, T* dx, const MakeSource& source) {
  const RowTable table(s);
  const int64_t planes = s.batch * s.channels, rows = s.in[0] * s.in[1], windows = volume(s.out);
  const GatherColumns columns{s.in[2], s.out[2], s.kernel[2], s.padding[2], s.dilation[2]};
  parallel_for(planes * rows, 1 + kGatherGrain / s.in[2], [&](int64_t begin, int64_t end) {
    const GatherColumns c = columns;
    const int64_t* first = table.first;
    const WindowRow* list = table.windows;
    int64_t row = begin % rows, index = begin / rows;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = index * windows;
      const auto plane = source(at, PlaneBounds{-at, planes * windows - at - kLanes<T>});
      gather_row<kStride, kWidth>(c, plane, list + first[row], list + first[row + 1], dx + i * c.in,
                                  (end - i) * c.in);
      if (++row == rows) row = 0, ++index;
    }
  });
}

template <class T, class MakeSource>
LAMINA_INLINE void gather_planes(const PoolShape& s, T* dx, const MakeSource& source) {
  switch (s.stride[2] * 4 + (s.kernel[2] <= 3 ? s.kernel[2] : 0)) {
    case 4 + 2:
      return gather_planes<1, 2>(s, dx, source);
    case 4 + 3:
      return gather_planes<1, 3>(s, dx, source);
    case 8 + 2:
      return gather_planes<2, 2>(s, dx, source);
    case 8 + 3:
      return gather_planes<2, 3>(s, dx, source);
    default:
      return s.stride[2] == 1 ? gather_planes<1, 0>(s, dx, source)
                              : gather_planes<2, 0>(s, dx, source);
  }
}

// Whether gather_planes can do it.
LAMINA_INLINE bool gathers(const PoolShape& s) {
  return !s.adaptive && (s.stride[2] == 1 || (s.stride[2] == 2 && s.dilation[2] == 1));
}

}  // namespace lamina::cpu::LAMINA_ISA

// Resampling by tables, a row of outputs at a time: the input rows that it takes are added up by
// the weights of depth and height, then the sum is resampled along its width.
//
// So a bicubic output costs 4 + 4 taps and not 16 (a row is shared by its outputs), and the first
// step is contiguous in either layout.  The second is contiguous over channels where they come
// last; in planes it gathers.  Bound by bytes where C is last, by the gathers in planes.
#include "kernels/interpolate.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/loop.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::ResampleDim;
using kernels::ResamplePlan;

constexpr int kRows = 4;  // rows added up in one go

// to (+)= the sum of weight[k] * from[k], vectors of n elements.
template <int kCount, class T>
LAMINA_INLINE void add_up(const T* const* from, const T* weight, bool add, int64_t n, T* to) {
  constexpr int64_t L = kLanes<T>;
  int64_t i = 0;
  for (; i + L <= n; i += L) {
    Vec<T> sum = add ? load(to + i) : Vec<T>{};
#pragma GCC unroll 4
    for (int k = 0; k < kCount; ++k) sum += load(from[k] + i) * weight[k];
    store(to + i, sum);
  }
  for (; i < n; ++i) {
    T sum = add ? to[i] : T(0);
    for (int k = 0; k < kCount; ++k) sum += from[k][i] * weight[k];
    to[i] = sum;
  }
}

template <class T>
LAMINA_INLINE void add_rows(const T* const* from, const T* weight, int count, bool add, int64_t n,
                            T* to) {
  switch (count) {
    case 0:
      return add_up<0>(from, weight, add, n, to);
    case 1:
      return add_up<1>(from, weight, add, n, to);
    case 2:
      return add_up<2>(from, weight, add, n, to);
    case 3:
      return add_up<3>(from, weight, add, n, to);
    default:
      return add_up<4>(from, weight, add, n, to);
  }
}

// The input rows of one output row (od, oh), added up.  A single one of weight 1 is taken as it is.
template <class T>
LAMINA_INLINE const T* combined(const ResamplePlan& p, const T* x, int64_t row, int64_t od,
                                int64_t oh, T* buffer) {
  const ResampleDim &d = p.dims[0], &h = p.dims[1];
  const T* rows[kRows];
  T weight[kRows];
  int n = 0;
  bool add = false;
  for (int i = 0; i < d.count[od]; ++i) {
    for (int j = 0; j < h.count[oh]; ++j) {
      const int64_t td = od * d.taps + i, th = oh * h.taps + j;
      rows[n] = x + (d.index[td] * h.in + h.index[th]) * row;
      weight[n] = static_cast<T>(d.weight[td] * h.weight[th]);
      if (++n < kRows) continue;
      add_rows(rows, weight, n, add, row, buffer);
      add = true;
      n = 0;
    }
  }
  if (!add && n == 1 && weight[0] == 1) return rows[0];
  if (n > 0 || !add) add_rows(rows, weight, n, add, row, buffer);
  return buffer;
}

int64_t grain(const ResamplePlan& p, int64_t channels) {
  const ResampleDim &d = p.dims[0], &h = p.dims[1], &w = p.dims[2];
  const int64_t work = (w.in * d.taps * h.taps + w.out * w.taps) * channels;
  return work < kLoopGrain ? kLoopGrain / (work + 1) + 1 : 1;
}

// The row before once more: where one input row serves several output rows.
template <class T>
LAMINA_INLINE void repeat(T* row, int64_t n) {
  __builtin_memcpy(row, row - n, static_cast<size_t>(n) * sizeof(T));
}

// The width's table by taps, (taps, out): tap k of all outputs lies together.  A tap that an output
// lacks points at position `in`, where rows hold a zero.  `group` channels that lie together count
// as so many outputs.
template <class T>
struct Across {
  const int64_t in, out;
  const Scratch held;
  T* weight;
  int32_t* index;
  bool whole = true;  // every output has all taps

  LAMINA_INLINE Across(const ResampleDim& w, int64_t group)
      : in(w.in * group),
        out(w.out * group),
        held(static_cast<size_t>(out * w.taps) * (sizeof(T) + sizeof(int32_t))),
        weight(held.as<T>()),
        index(reinterpret_cast<int32_t*>(weight + out * w.taps)) {
    for (int k = 0; k < w.taps; ++k) {
      for (int64_t o = 0; o < out; ++o) {
        const int64_t place = o / group, tap = place * w.taps + k;
        const bool has = k < w.count[place];
        index[k * out + o] = static_cast<int32_t>(has ? w.index[tap] * group + o % group : in);
        weight[k * out + o] = has ? static_cast<T>(w.weight[tap]) : T(0);
        whole &= has;
      }
    }
  }
};

// Every pixel is a sum of pixels: vectors of channels.
template <class T>
void channels_last(const ResamplePlan& p, const T* x, T* y) {
  const ResampleDim &d = p.dims[0], &h = p.dims[1], &w = p.dims[2];
  const int64_t C = p.channels, row = w.in * C, image = d.in * h.in * row;
  const Scratch table(static_cast<size_t>(w.out * w.taps) * sizeof(T));
  T* weights = table.as<T>();
  for (int64_t i = 0; i < w.out * w.taps; ++i) weights[i] = static_cast<T>(w.weight[i]);
  parallel_for(p.batch * d.out * h.out, grain(p, C), [&](int64_t begin, int64_t end) {
    const Scratch held(static_cast<size_t>(row) * sizeof(T));
    const T* before = nullptr;
    for (int64_t r = begin; r < end; ++r) {
      const int64_t oh = r % h.out, od = r / h.out % d.out, n = r / (h.out * d.out);
      const T* from = combined(p, x + n * image, row, od, oh, held.as<T>());
      if (from == before && from != held.as<T>()) {
        repeat(y + r * w.out * C, w.out * C);
        continue;
      }
      before = from;
      for (int64_t ow = 0; ow < w.out; ++ow) {
        const int32_t* index = w.index + ow * w.taps;
        T* to = y + (r * w.out + ow) * C;
        const int count = w.count[ow];
        if (count == 1 && weights[ow * w.taps] == 1) {
          __builtin_memcpy(to, from + index[0] * C, static_cast<size_t>(C) * sizeof(T));
          continue;
        }
        if (count == 2) {
          const T* const pixels[] = {from + index[0] * C, from + index[1] * C};
          add_up<2>(pixels, weights + ow * w.taps, false, C, to);
          continue;
        }
        for (int k = 0; k < count || k == 0; k += kRows) {
          const T* pixels[kRows];
          const int some = count - k < kRows ? count - k : kRows;
          for (int j = 0; j < some; ++j) pixels[j] = from + index[k + j] * C;
          add_rows(pixels, weights + ow * w.taps + k, some, k > 0, C, to);
        }
      }
    }
  });
}

template <int kTaps, class T>
LAMINA_INLINE void across(const T* from, const int32_t* index, const T* weight, int64_t n, T* to) {
#pragma GCC ivdep
  for (int64_t o = 0; o < n; ++o) {
    T sum = 0;
#pragma GCC unroll 4
    for (int k = 0; k < kTaps; ++k) sum += weight[k * n + o] * from[index[k * n + o]];
    to[o] = sum;
  }
}

template <class T>
void across_row(int taps, const Across<T>& table, const T* from, T* to) {
  const int64_t n = table.out;
  if (taps == 1) return across<1>(from, table.index, table.weight, n, to);
  if (taps == 2) return across<2>(from, table.index, table.weight, n, to);
  if (taps == 4) return across<4>(from, table.index, table.weight, n, to);
  for (int64_t o = 0; o < n; ++o) to[o] = 0;
  for (int k = 0; k < taps; ++k) {
    const int32_t* index = table.index + k * n;
    const T* weight = table.weight + k * n;
#pragma GCC ivdep
    for (int64_t o = 0; o < n; ++o) to[o] += weight[o] * from[index[o]];
  }
}

// Planes; or images whose few channels come last, as planes whose pixels are `group` elements.
template <class T>
void planes(const ResamplePlan& p, int64_t group, const T* x, T* y) {
  const ResampleDim &d = p.dims[0], &h = p.dims[1], &w = p.dims[2];
  const Across<T> table(w, group);
  const int64_t plane = d.in * h.in * table.in;
  const int64_t rows = p.batch * p.channels / group * d.out * h.out;
  parallel_for(rows, grain(p, group), [&](int64_t begin, int64_t end) {
    const Scratch held(static_cast<size_t>(table.in + 1) * sizeof(T));
    T* buffer = held.as<T>();
    const T* before = nullptr;
    for (int64_t r = begin; r < end; ++r) {
      const int64_t oh = r % h.out, od = r / h.out % d.out, n = r / (h.out * d.out);
      const T* from = combined(p, x + n * plane, table.in, od, oh, buffer);
      if (from == before && from != buffer) {
        repeat(y + r * table.out, table.out);
        continue;
      }
      before = from;
      if (!table.whole) {
        if (from != buffer)
          __builtin_memcpy(buffer, from, static_cast<size_t>(table.in) * sizeof(T));
        buffer[table.in] = 0;
        from = buffer;
      }
      across_row(w.taps, table, from, y + r * table.out);
    }
  });
}

void resample(const ResamplePlan& p, const void* x, void* y) {
  visit_real(p.dtype, [&](auto element) {
    using T = decltype(element);
    const T* from = static_cast<const T*>(x);
    T* to = static_cast<T*>(y);
    if (p.channels_last && p.channels >= kLanes<T>)
      channels_last(p, from, to);
    else
      planes(p, p.channels_last ? p.channels : 1, from, to);
  });
}

}  // namespace

LAMINA_CPU_KERNELS(Interpolate, interpolate){&resample};

}  // namespace lamina::cpu::LAMINA_ISA

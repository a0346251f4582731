// Mean pooling.
//
// Forward and backward it shares max pooling's loops, with a sum for the maximum; backward with
// strides over 2 and adaptive windows of row-major planes, a row of input adds up the rows of windows
// that hold it, then each position its windows across.
#include "cpu/pool.h"
#include "cpu/pool_channels_last.h"
#include "cpu/pool_gather.h"
#include "cpu/pool_global.h"
#include "cpu/pool_runs.h"
#include "cpu/pool_tiles.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// What the mean over window (d, h, w) divides by, or multiplies with: across[w] * down[d*OH + h].
template <class T>
struct Divisors {
  const Scratch held;
  T *across, *down;  // across: readable from a kernel's width before to a vector after the windows

  LAMINA_INLINE Divisors(const PoolShape& s, const PoolDivisor& rule, bool inverse)
      : held((s.kernel[2] + s.out[2] + kLanes<T> + s.out[0] * s.out[1]) * sizeof(T)),
        across(held.as<T>() + s.kernel[2]),
        down(across + s.out[2] + kLanes<T>) {
    const auto entry = [&](int64_t n) {
      return inverse ? T(1) / static_cast<T>(n) : static_cast<T>(n);
    };
    const auto of = [&](int dim, int64_t o) { return divisor(s, rule.count_padding, dim, o); };
    for (int64_t ow = 0; ow < s.out[2]; ++ow) across[ow] = entry(rule.fixed ? 1 : of(2, ow));
    for (int64_t i = 0; i < kLanes<T>; ++i) across[s.out[2] + i] = T(1);
    for (int64_t i = 1; i <= s.kernel[2]; ++i) across[-i] = T(1);
    for (int64_t od = 0; od < s.out[0]; ++od)
      for (int64_t oh = 0; oh < s.out[1]; ++oh)
        down[od * s.out[1] + oh] = entry(rule.fixed ? rule.fixed : of(0, od) * of(1, oh));
  }
};

// One window that holds a whole row-major plane; ops lay its plane out as a line.
bool is_global(const PoolShape& s) {
  return !s.channels_last && s.in[2] == volume(s.in) && s.kernel[2] == s.in[2] &&
         volume(s.out) == 1 && s.padding[2] == 0;
}

template <class T>
void forward(const PoolShape& s, const PoolDivisor& rule, const T* x, T* y) {
  const Divisors<T> by(s, rule, false);
  const auto write_row = [&](const SumLanes<T>& sum, int64_t at, int n, int64_t od, int64_t oh,
                             int64_t ow) {
    store_lanes(y + at, sum.value / (load(by.across + ow) * by.down[od * s.out[1] + oh]), n);
  };
  if (is_global(s)) {
    const T n = by.across[0] * by.down[0];
    sum_planes(x, s.batch * s.channels, s.in[2], [&](int64_t plane, Vec<T> sum, int count) {
      store_lanes(y + plane, sum / n, count);
    });
  } else if (s.channels_last) {
    forward_channels_last<T, SumLanes<T>>(
        s, x, [&](const SumLanes<T>& sum, int64_t at, int n, int64_t od, int64_t oh, int64_t ow) {
          store_lanes(y + at, sum.value / (by.across[ow] * by.down[od * s.out[1] + oh]), n);
        });
  } else if (!goes_by_runs(s)) {
    forward_tiles<T, SumLanes<T>>(s, x, T(0), write_row);
  } else {
    forward_runs<T, RunSum<T>>(
        s, x, [&](const RunSum<T>& run, int64_t at, int64_t od, int64_t oh, int64_t ow) {
          y[at] = run.value / (by.across[ow] * by.down[od * s.out[1] + oh]);
        });
  }
}

// What each window passes on to every one of its taps.
template <class T>
struct MeanPlane {
  const T *dy, *across, *down;
  PlaneBounds bounds;

  template <bool kEdge>
  LAMINA_INLINE Vec<T> of(const WindowRow& row, int64_t from, int64_t, int64_t width) const {
    const int64_t at = row.begin + from;
    if constexpr (kEdge) {
      if (!bounds.hold(at)) [[unlikely]]
        return at_end(dy + row.begin, across, down[row.line], from, width);
      const Vec<T> scale = load(across + from) * down[row.line];
      return select(inside_row<T>(from, width), load(dy + at) * scale, Vec<T>{});
    }
    return load(dy + at) * (load(across + from) * down[row.line]);
  }
  LAMINA_INLINE void prefetch(int64_t at) const { __builtin_prefetch(dy + at); }

 private:
  // Static, so that a plane may stay in registers.
  __attribute__((noinline)) static Vec<T> at_end(const T* grads, const T* across, T down,
                                                 int64_t from, int64_t width) {
    Vec<T> shares{};
    for (int64_t i = 0; i < kLanes<T>; ++i)
      if (from + i >= 0 && from + i < width)
        shares[i] = grads[from + i] * (across[from + i] * down);
    return shares;
  }
};

// Any window, row by row of the input: first the sums of the rows of windows that hold it, then each
// position's windows across.
template <class T>
void spread_planes(const PoolShape& s, const Divisors<T>& by, const T* dy, T* dx) {
  const RowTable table(s);
  const CoverTable covers(s);
  const int64_t planes = s.batch * s.channels, rows = s.in[0] * s.in[1], windows = volume(s.out);
  const int64_t W = s.in[2], OW = s.out[2];
  parallel_for(planes * rows, 1 + kGatherGrain / (W + OW), [&](int64_t begin, int64_t end) {
    const Scratch held(OW * sizeof(T));
    T* sums = held.as<T>();
    int64_t row = begin % rows, index = begin / rows;
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t ow = 0; ow < OW; ++ow) sums[ow] = T(0);
      for (int64_t j = table.first[row]; j < table.first[row + 1]; ++j) {
        const WindowRow& from = table.windows[j];
        const T* grads = dy + index * windows + from.begin;
        for (int64_t ow = 0; ow < OW; ++ow)
          sums[ow] += grads[ow] * (by.across[ow] * by.down[from.line]);
      }
      T* to = dx + i * W;
      const auto last = covers.of[2][W - 1];
      if (OW == 1 && last.begin == 0 && last.end == 1) {
        fill_row(to, W, sums[0]);
      } else {
        for (int64_t iw = 0; iw < W; ++iw) {
          T sum = T(0);
          for (int64_t ow = covers.of[2][iw].begin; ow < covers.of[2][iw].end; ++ow)
            sum += sums[ow];
          to[iw] = sum;
        }
      }
      if (++row == rows) row = 0, ++index;
    }
  });
}

}  // namespace

void mean_pool_forward(const PoolShape& s, const PoolDivisor& rule, const void* x, void* y) {
  visit_real(s.dtype, [&](auto element) {
    using T = decltype(element);
    forward(s, rule, static_cast<const T*>(x), static_cast<T*>(y));
  });
}

void mean_pool_backward(const PoolShape& s, const PoolDivisor& rule, const void* dy, void* dx) {
  visit_real(s.dtype, [&](auto element) {
    using T = decltype(element);
    const T* g = static_cast<const T*>(dy);
    T* to = static_cast<T*>(dx);
    const Divisors<T> by(s, rule, true);
    if (is_global(s)) {
      const T scale = by.across[0] * by.down[0];
      return fill_planes(to, s.batch * s.channels, s.in[2],
                         [&](int64_t plane) { return g[plane] * scale; });
    }
    if (!s.channels_last && gathers(s))
      return gather_planes(s, to, [&](int64_t at, PlaneBounds bounds) {
        return MeanPlane<T>{g + at, by.across, by.down, bounds};
      });
    if (!s.channels_last) return spread_planes(s, by, g, to);
    const auto ahead = [&](int64_t at, int64_t n) { prefetch(g + at, n); };
    backward_channels_last<T>(
        s, to, ahead, [&](int64_t o, int n, int64_t, int64_t od, int64_t oh, int64_t ow) {
          return load_lanes(g + o, n) * (by.across[ow] * by.down[od * s.out[1] + oh]);
        });
  });
}

}  // namespace lamina::cpu::LAMINA_ISA

// Mean pooling.
//
// Forward it shares max pooling's loops, with a sum for the maximum.  Backward, channels-last
// pixels gather from their windows; a row of a row-major plane first adds up the rows of outputs
// above it, then spreads the sum over the taps across: the window is separable.  All of it is bound
// by bytes.
#include "cpu/pool.h"
#include "cpu/pool_channels_last.h"
#include "cpu/pool_runs.h"
#include "cpu/pool_spread.h"
#include "cpu/pool_tiles.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// What the mean over window (d, h, w) divides by, or multiplies with: across[w] * down[d*OH + h].
template <class T>
struct Divisors {
  const Scratch held;
  T *across, *down;  // across: readable for a vector more than there are windows

  LAMINA_INLINE Divisors(const PoolShape& s, const PoolDivisor& rule, bool inverse)
      : held((s.out[2] + kLanes<T> + s.out[0] * s.out[1]) * sizeof(T)),
        across(held.as<T>()),
        down(across + s.out[2] + kLanes<T>) {
    const auto entry = [&](int64_t n) {
      return inverse ? T(1) / static_cast<T>(n) : static_cast<T>(n);
    };
    const auto of = [&](int dim, int64_t o) { return divisor(s, rule.count_padding, dim, o); };
    for (int64_t ow = 0; ow < s.out[2] + kLanes<T>; ++ow)
      across[ow] = entry(rule.fixed ? 1 : of(2, smaller(ow, s.out[2] - 1)));
    for (int64_t od = 0; od < s.out[0]; ++od)
      for (int64_t oh = 0; oh < s.out[1]; ++oh)
        down[od * s.out[1] + oh] = entry(rule.fixed ? rule.fixed : of(0, od) * of(1, oh));
  }
};

template <class T>
void forward(const PoolShape& s, const PoolDivisor& rule, const T* x, T* y) {
  const Divisors<T> by(s, rule, false);
  const auto write_row = [&](const SumLanes<T>& sum, int64_t at, int n, int64_t od, int64_t oh,
                             int64_t ow) {
    store_lanes(y + at, sum.value / (load(by.across + ow) * by.down[od * s.out[1] + oh]), n);
  };
  if (s.channels_last) {
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

template <class T>
LAMINA_INLINE void spread_adaptive(const PoolShape& s, const T* sums, const Cover* across, T* to) {
  if (s.out[2] == 1) return fill_row(to, s.in[2], sums[0]);
  for (int64_t iw = 0; iw < s.in[2]; ++iw) {
    T sum = sums[across[iw].begin];
    for (int64_t ow = across[iw].begin + 1; ow < across[iw].end; ++ow) sum += sums[ow];
    to[iw] = sum;
  }
}

// For each row of a tile of input: the sum of the rows of windows that hold it, with zeros beside
// them.
template <class T>
struct SumStage {
  const Scratch held;
  T* rows;

  LAMINA_INLINE explicit SumStage(int64_t elements)
      : held(elements * sizeof(T)), rows(held.as<T>()) {
    fill_row(rows, elements, T(0));
  }
};

// to[i] (+)= from[i] * across[i] * down
template <class T>
LAMINA_INLINE void add_scaled(T* to, const T* from, const T* across, T down, bool add, int64_t n) {
  constexpr int kLane = kLanes<T>;
  int64_t i = 0;
  for (; i + kLane <= n; i += kLane) {
    const Vec<T> v = load(from + i) * (load(across + i) * down);
    store(to + i, add ? load(to + i) + v : v);
  }
  for (; i < n; ++i) to[i] = (add ? to[i] : T(0)) + from[i] * (across[i] * down);
}

template <int kStride, class T>
void backward_planes(const PoolShape& s, const PoolDivisor& rule, const T* dy, T* dx) {
  const Divisors<T> by(s, rule, true);
  const CoverTable covers(s);
  const Spread spread(s, kLanes<T>);
  const int64_t H = s.in[1], W = s.in[2], OW = s.out[2], pitch = spread.windows;
  const int64_t rows = smaller(H, larger(kStagedWindows / pitch, 1));
  for_input_tiles(
      s, rows, [&] { return SumStage<T>(rows * pitch); },
      [&](const SumStage<T>& stage, int64_t plane, int64_t id, int64_t h0, int64_t h1,
          int64_t limit) {
        const Cover d = covers.of[0][id];
        for (int64_t ih = h0; ih < h1; ++ih) {
          const Cover h = covers.of[1][ih];
          T* sums = stage.rows + (ih - h0) * pitch + spread.lead;
          bool add = false;
          for (int64_t od = d.begin; od < d.end; ++od)
            for (int64_t oh = h.begin; oh < h.end; ++oh, add = true) {
              const int64_t line = od * s.out[1] + oh;
              add_scaled(sums, dy + (plane * s.out[0] * s.out[1] + line) * OW, by.across,
                         by.down[line], add, OW);
            }
          if (!add) fill_row(sums, OW, T(0));
        }
        for (int64_t ih = h0; ih < h1; ++ih) {
          const int64_t row = ((plane * s.in[0] + id) * H + ih) * W;
          const T* sums = stage.rows + (ih - h0) * pitch;
          if (s.adaptive)
            spread_adaptive(s, sums + spread.lead, covers.of[2], dx + row);
          else
            spread_row<kStride, 0>(spread, dx + row, limit - row, 1,
                                   [&](int64_t, int64_t at, int64_t) { return load(sums + at); });
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
    if (!s.channels_last) {
      if (s.stride[2] == 1 || s.adaptive) return backward_planes<1>(s, rule, g, to);
      if (s.stride[2] == 2) return backward_planes<2>(s, rule, g, to);
      return backward_planes<0>(s, rule, g, to);
    }
    const Divisors<T> by(s, rule, true);
    const auto ahead = [&](int64_t at, int64_t n) { prefetch(g + at, n); };
    backward_channels_last<T>(
        s, to, ahead, [&](int64_t o, int n, int64_t, int64_t od, int64_t oh, int64_t ow) {
          return load_lanes(g + o, n) * (by.across[ow] * by.down[od * s.out[1] + oh]);
        });
  });
}

}  // namespace lamina::cpu::LAMINA_ISA

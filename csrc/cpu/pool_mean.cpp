// Mean pooling.
//
// Forward it shares max pooling's loops, with a sum for the maximum.  Backward, channels-last pixels gather from their
// windows; a row of a row-major plane first adds up the rows of outputs above it, then spreads the sum over the taps
// across: the window is separable.  All of it is bound by bytes.
#include "cpu/pool.h"
#include "cpu/pool_channels_last.h"
#include "cpu/pool_runs.h"
#include "cpu/pool_spread.h"
#include "cpu/pool_tiles.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// The mean over window (d, h, w) divides by across[w] * down(d, h).
template <class T>
struct Divisors {
  const PoolShape& s;
  const PoolDivisor& rule;
  const T* across;  // readable for a vector more than there are windows

  LAMINA_INLINE static int64_t bytes(const PoolShape& s) {
    return (s.out[2] + kLanes<T>) * static_cast<int64_t>(sizeof(T));
  }
  LAMINA_INLINE Divisors(const PoolShape& shape, const PoolDivisor& divisor_rule, T* table)
      : s(shape), rule(divisor_rule), across(table) {
    for (int64_t ow = 0; ow < s.out[2] + kLanes<T>; ++ow)
      table[ow] = static_cast<T>(rule.fixed ? 1 : divisor(s, rule.count_padding, 2, smaller(ow, s.out[2] - 1)));
  }
  LAMINA_INLINE T down(int64_t od, int64_t oh) const {
    if (rule.fixed) return static_cast<T>(rule.fixed);
    return static_cast<T>(divisor(s, rule.count_padding, 0, od) * divisor(s, rule.count_padding, 1, oh));
  }
};

template <class T>
void forward(const PoolShape& s, const PoolDivisor& rule, const T* x, T* y) {
  const Scratch table(Divisors<T>::bytes(s));
  const Divisors<T> divide(s, rule, table.as<T>());
  const auto write_row = [&](const SumLanes<T>& sum, int64_t at, int n, int64_t od, int64_t oh, int64_t ow) {
    store_lanes(y + at, sum.value / (load(divide.across + ow) * divide.down(od, oh)), n);
  };
  if (s.channels_last) {
    forward_channels_last<T, SumLanes<T>>(
        s, x, [&](const SumLanes<T>& sum, int64_t at, int n, int64_t od, int64_t oh, int64_t ow) {
          store_lanes(y + at, sum.value / (divide.across[ow] * divide.down(od, oh)), n);
        });
  } else if (!s.adaptive && s.stride[2] == 1) {
    forward_tiles<1, T, SumLanes<T>>(s, x, T(0), write_row);
  } else if (!s.adaptive && s.stride[2] == 2) {
    forward_tiles<2, T, SumLanes<T>>(s, x, T(0), write_row);
  } else {
    forward_runs<T, RunSum<T>>(
        s, x, [&](const RunSum<T>& run, int64_t at, int64_t od, int64_t oh, int64_t ow) {
          y[at] = run.value / (divide.across[ow] * divide.down(od, oh));
        });
  }
}

template <class T>
LAMINA_INLINE void spread_adaptive(const PoolShape& s, const T* rows, const Cover* across, T* to) {
  for (int64_t iw = 0; iw < s.in[2]; ++iw) {
    T sum = rows[across[iw].begin];
    for (int64_t ow = across[iw].begin + 1; ow < across[iw].end; ++ow) sum += rows[ow];
    to[iw] = sum;
  }
}

template <class T>
void backward_planes(const PoolShape& s, const PoolDivisor& rule, const T* dy, T* dx) {
  constexpr int kLane = kLanes<T>;
  const Scratch table(Divisors<T>::bytes(s)), covers(s.in[2] * sizeof(Cover));
  const Divisors<T> divide(s, rule, table.as<T>());
  Cover* across = covers.as<Cover>();
  if (s.adaptive)
    for (int64_t iw = 0; iw < s.in[2]; ++iw) across[iw] = cover(s, 2, iw);
  const Spread spread(s);
  const int64_t W = s.in[2], OW = s.out[2];
  const int64_t windows = s.adaptive ? OW : spread.windows(kLane);
  const int64_t positions = s.adaptive ? 0 : spread.positions(kLane);
  parallel_for(s.batch * s.channels * s.in[0] * s.in[1], 1 + kRunGrain / W, [&](int64_t begin, int64_t end) {
    const Scratch held((windows + positions) * sizeof(T));
    T *rows = held.as<T>(), *to = rows + windows, *sums = s.adaptive ? rows : rows + spread.lead;
    const auto term = [&](int64_t at, int64_t) { return load(rows + at); };
    for (int64_t row = begin; row < end; ++row) {
      const int64_t ih = row % s.in[1], id = row / s.in[1] % s.in[0], plane = row / s.in[1] / s.in[0];
      const Cover d = cover(s, 0, id), h = cover(s, 1, ih);
      fill_row(rows, windows, T(0));
      for (int64_t od = d.begin; od < d.end; ++od)
        for (int64_t oh = h.begin; oh < h.end; ++oh) {
          const T* g = dy + ((plane * s.out[0] + od) * s.out[1] + oh) * OW;
          const T down = divide.down(od, oh);
          for (int64_t ow = 0; ow < OW; ++ow) sums[ow] += g[ow] / (divide.across[ow] * down);
        }
      if (s.adaptive) {
        if (OW == 1)
          fill_row(dx + row * W, W, sums[0]);
        else
          spread_adaptive(s, sums, across, dx + row * W);
        continue;
      }
      fill_row(to, positions, T(0));
      switch (spread.stride) {
        case 1: spread_row<1>(spread, term, to); break;
        case 2: spread_row<2>(spread, term, to); break;
        default: spread_row<0>(spread, term, to);
      }
      __builtin_memcpy(dx + row * W, to + spread.padding, W * sizeof(T));
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
    if (!s.channels_last) return backward_planes(s, rule, g, static_cast<T*>(dx));
    const Scratch table(Divisors<T>::bytes(s));
    const Divisors<T> divide(s, rule, table.as<T>());
    backward_channels_last<T>(s, static_cast<T*>(dx),
                              [&](int64_t o, int64_t, const auto& lanes, int64_t od, int64_t oh, int64_t ow) {
                                return lanes.get(g + o) * (T(1) / (divide.across[ow] * divide.down(od, oh)));
                              });
  });
}

}  // namespace lamina::cpu::LAMINA_ISA

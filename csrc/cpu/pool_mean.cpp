// Mean pooling.
//
// Forward it shares max pooling's loops, with a sum for the maximum.  Backward, channels-last pixels gather from their
// windows; a row of a row-major plane first adds up the rows of outputs above it, then spreads the sum over the taps
// across: the window is separable.  All of it is bound by bytes.
#include "cpu/pool.h"
#include "cpu/pool_channels_last.h"
#include "cpu/pool_runs.h"
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

// How a row of windows maps to a row of input: dx[t*stride + q - padding] = the sum over m of dy[t - m], one m for each
// tap m*stride + q.
struct Spread {
  int64_t kernel, stride, padding, lead, steps;  // lead: the most that m comes to; steps: values of t

  LAMINA_INLINE explicit Spread(const PoolShape& s)
      : kernel(s.kernel[2]), stride(s.stride[2]), padding(s.padding[2]),
        lead((kernel - 1) / stride), steps(divide_up(s.in[2] + padding, stride)) {}
};

// rows: `lead` zeros, the sums of a row of windows, zeros.  Writes spread.steps * stride values, and up to a vector more.
template <int kStride, class T>
LAMINA_INLINE void spread_row(const Spread& spread, const T* rows, T* to) {
  constexpr int kLane = kLanes<T>;
  const int64_t stride = kStride ? kStride : spread.stride;
  const auto phase = [&](int64_t t, int64_t q) {
    Vec<T> sum{};
    for (int64_t m = 0; m * stride + q < spread.kernel; ++m) sum += load(rows + spread.lead + t - m);
    return sum;
  };
  for (int64_t t = 0; t < spread.steps; t += kLane) {
    if constexpr (kStride == 1) {
      store(to + t, phase(t, 0));
    } else if constexpr (kStride == 2) {
      const Vec<T> even = phase(t, 0), odd = phase(t, 1);
      store(to + 2 * t, interleave<T>(even, odd, 0));
      store(to + 2 * t + kLane, interleave<T>(even, odd, 1));
    } else {
      for (int64_t q = 0; q < stride; ++q) {
        const Vec<T> sum = phase(t, q);
        for (int lane = 0; lane < kLane; ++lane) to[(t + lane) * stride + q] = sum[lane];
      }
    }
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
  const int64_t summed = s.adaptive ? OW : spread.lead + spread.steps + kLane;
  const int64_t spreaded = s.adaptive ? 0 : (spread.steps + kLane) * spread.stride;
  parallel_for(s.batch * s.channels * s.in[0] * s.in[1], 1 + kRunGrain / W, [&](int64_t begin, int64_t end) {
    const Scratch held((summed + spreaded) * sizeof(T));
    T *rows = held.as<T>(), *to = rows + summed, *sums = s.adaptive ? rows : rows + spread.lead;
    for (int64_t row = begin; row < end; ++row) {
      const int64_t ih = row % s.in[1], id = row / s.in[1] % s.in[0], plane = row / s.in[1] / s.in[0];
      const Cover d = cover(s, 0, id), h = cover(s, 1, ih);
      fill_row(rows, summed, T(0));
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
      switch (spread.stride) {
        case 1: spread_row<1>(spread, rows, to); break;
        case 2: spread_row<2>(spread, rows, to); break;
        default: spread_row<0>(spread, rows, to);
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

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
LAMINA_INLINE void spread_adaptive(const PoolShape& s, const T* sums, const Cover* across, T* to) {
  if (s.out[2] == 1) return fill_row(to, s.in[2], sums[0]);
  for (int64_t iw = 0; iw < s.in[2]; ++iw) {
    T sum = sums[across[iw].begin];
    for (int64_t ow = across[iw].begin + 1; ow < across[iw].end; ++ow) sum += sums[ow];
    to[iw] = sum;
  }
}

template <class T>
struct SumStage {
  const Scratch held;
  T* rows;

  LAMINA_INLINE explicit SumStage(int64_t elements) : held(elements * sizeof(T)), rows(held.as<T>()) {
    fill_row(rows, elements, T(0));
  }
};

template <int kStride, class T>
void backward_planes(const PoolShape& s, const PoolDivisor& rule, const T* dy, T* dx) {
  const Scratch table(Divisors<T>::bytes(s));
  const Divisors<T> divide(s, rule, table.as<T>());
  const CoverTable covers(s);
  const Spread spread(s, kLanes<T>);
  const int64_t H = s.in[1], W = s.in[2], OW = s.out[2], pitch = spread.windows;
  const int64_t rows = smaller(H, larger(kStagedWindows / pitch, 1));
  for_input_tiles(
      s, rows, [&] { return SumStage<T>(rows * pitch); },
      [&](const SumStage<T>& stage, int64_t plane, int64_t id, int64_t h0, int64_t h1, int64_t limit) {
        const Cover d = covers.of[0][id];
        for (int64_t ih = h0; ih < h1; ++ih) {
          const Cover h = covers.of[1][ih];
          T* sums = stage.rows + (ih - h0) * pitch + spread.lead;
          fill_row(sums, OW, T(0));
          for (int64_t od = d.begin; od < d.end; ++od)
            for (int64_t oh = h.begin; oh < h.end; ++oh) {
              const T* g = dy + ((plane * s.out[0] + od) * s.out[1] + oh) * OW;
              const T down = divide.down(od, oh);
              for (int64_t ow = 0; ow < OW; ++ow) sums[ow] += g[ow] / (divide.across[ow] * down);
            }
        }
        for (int64_t ih = h0; ih < h1; ++ih) {
          const int64_t row = ((plane * s.in[0] + id) * H + ih) * W;
          const T* windows = stage.rows + (ih - h0) * pitch;
          if (s.adaptive) {
            spread_adaptive(s, windows + spread.lead, covers.of[2], dx + row);
            continue;
          }
          spread_row<kStride>(spread, dx + row, limit - row, [&](int64_t t, int64_t q) {
            Vec<T> sum{};
            spread.add_phase<kStride, T>(sum, t, q, [&](int64_t at, int64_t) { return load(windows + at); });
            return sum;
          });
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
    const Scratch table(Divisors<T>::bytes(s));
    const Divisors<T> divide(s, rule, table.as<T>());
    backward_channels_last<T>(s, to,
                              [&](int64_t o, int64_t, const auto& lanes, int64_t od, int64_t oh, int64_t ow) {
                                return lanes.get(g + o) * (T(1) / (divide.across[ow] * divide.down(od, oh)));
                              });
  });
}

}  // namespace lamina::cpu::LAMINA_ISA

// Sums along a contiguous row: moments for the norms that take them there, and the sums of their gradients.
//
// A block of a row is added in T, in four vectors and a fixed tree; blocks are added in double.  Mean and variance of a
// block come from two sweeps, the second from the cache, joined to those before it by Chan, Golub and LeVeque's update
// (1979): nothing cancels, and memory is read once.
#pragma once

#include "cpu/lanes.h"
#include "cpu/shuffle.h"

namespace lamina::cpu::LAMINA_ISA {

inline constexpr int64_t kRowBlock =
    4096;  // elements: in the L1 cache, and 64 terms a lane on AVX-512

// Two quantities to sum, for a vector of elements.
template <class T>
struct Terms {
  Vec<T> first, second;
};

struct RowSums {
  double first, second;
};

// term(i, n) gives the two terms of elements i, i + 1, ..., of which n may be read: up to `readable`, which may lie
// beyond the row's end.
template <class T, class Term>
LAMINA_INLINE RowSums sum_block(int64_t begin, int64_t end, int64_t readable, const Term& term) {
  constexpr int64_t kLane = kLanes<T>;
  Terms<T> sums[4] = {};
  int64_t i = begin;
  for (; i + 4 * kLane <= end; i += 4 * kLane)
    for (int k = 0; k < 4; ++k) {
      const Terms<T> t = term(i + k * kLane, static_cast<int>(kLane));
      sums[k].first += t.first;
      sums[k].second += t.second;
    }
  for (; i < end; i += kLane) {
    Terms<T> t = term(i, static_cast<int>(readable - i < kLane ? readable - i : kLane));
    if (end - i < kLane) {
      const auto inside = first_lanes<T>(static_cast<int>(end - i));
      t = {select(inside, t.first, Vec<T>{}), select(inside, t.second, Vec<T>{})};
    }
    sums[0].first += t.first;
    sums[0].second += t.second;
  }
  return {static_cast<double>(
              sum_lanes<T>((sums[0].first + sums[1].first) + (sums[2].first + sums[3].first))),
          static_cast<double>(
              sum_lanes<T>((sums[0].second + sums[1].second) + (sums[2].second + sums[3].second)))};
}

template <class T, class Term>
LAMINA_INLINE RowSums sum_row(int64_t n, int64_t readable, const Term& term) {
  RowSums total{};
  for (int64_t i = 0; i < n; i += kRowBlock) {
    const RowSums block = sum_block<T>(i, i + kRowBlock < n ? i + kRowBlock : n, readable, term);
    total.first += block.first;
    total.second += block.second;
  }
  return total;
}

struct Moments {
  double mean, squares;  // squares: of the deviations from the mean, summed
};

LAMINA_INLINE double variance(const Moments& m, double count) {
  const double var = m.squares / count;
  return var < 0 ? 0 : var;  // by rounding; NaN stays
}

// Takes the moments of `count` elements more to those of `seen`.
LAMINA_INLINE void join(Moments& all, double seen, const Moments& more, double count) {
  const double apart = more.mean - all.mean, share = count / (seen + count);
  all.squares += more.squares + apart * apart * seen * share;
  all.mean += apart * share;
}

template <class T>
LAMINA_INLINE Moments row_moments(const T* x, int64_t n, int64_t readable) {
  Moments all{};
  for (int64_t begin = 0; begin < n; begin += kRowBlock) {
    const int64_t end = begin + kRowBlock < n ? begin + kRowBlock : n;
    const double count = static_cast<double>(end - begin), seen = static_cast<double>(begin);
    const T near = static_cast<T>(sum_block<T>(begin, end, readable,
                                               [&](int64_t i, int lanes) -> Terms<T> {
                                                 return {load_lanes(x + i, lanes), Vec<T>{}};
                                               })
                                      .first /
                                  count);
    const RowSums s = sum_block<T>(begin, end, readable, [&](int64_t i, int lanes) -> Terms<T> {
      const Vec<T> d = load_lanes(x + i, lanes) - near;
      return {d, d * d};
    });
    const double shift = s.first / count;  // the rounding error of `near`
    join(all, seen, {static_cast<double>(near) + shift, s.second - count * shift * shift}, count);
  }
  return all;
}

}  // namespace lamina::cpu::LAMINA_ISA

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

// body(i, lanes) over [0, n) in vectors, all of them whole but the last, of which what lies before `readable` counts.
template <class T, class Body>
LAMINA_INLINE void for_each_vector(int64_t begin, int64_t end, int64_t readable, const Body& body) {
  constexpr int kLane = kLanes<T>;
  int64_t i = begin;
  for (; i + kLane <= end; i += kLane) body(i, kLane);
  if (i < end) body(i, readable - i < kLane ? static_cast<int>(readable - i) : kLane);
}

// term(i, n) gives the two terms of elements i, i + 1, ..., of which n may be read: up to `readable`, which may lie
// beyond the row's end.
template <class T, class Term>
LAMINA_INLINE RowSums sum_block(int64_t begin, int64_t end, int64_t readable, const Term& term) {
  constexpr int kLane = kLanes<T>;
  Terms<T> sums[4] = {};
  int64_t i = begin;
  for (; i + 4 * kLane <= end; i += 4 * kLane)
    for (int k = 0; k < 4; ++k) {
      const Terms<T> t = term(i + k * kLane, kLane);
      sums[k].first += t.first;
      sums[k].second += t.second;
    }
  for_each_vector<T>(i, end, readable, [&](int64_t at, int lanes) {
    Terms<T> t = term(at, lanes);
    if (end - at < kLane) {
      const auto inside = first_lanes<T>(static_cast<int>(end - at));
      t = {select(inside, t.first, Vec<T>{}), select(inside, t.second, Vec<T>{})};
    }
    sums[0].first += t.first;
    sums[0].second += t.second;
  });
  const Vec<T> first = (sums[0].first + sums[1].first) + (sums[2].first + sums[3].first);
  const Vec<T> second = (sums[0].second + sums[1].second) + (sums[2].second + sums[3].second);
  return {static_cast<double>(sum_lanes<T>(first)), static_cast<double>(sum_lanes<T>(second))};
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
LAMINA_INLINE Moments block_moments(const T* x, int64_t begin, int64_t end, int64_t readable) {
  const double count = static_cast<double>(end - begin), inverse = 1 / count;
  const RowSums sum = sum_block<T>(begin, end, readable, [&](int64_t i, int lanes) -> Terms<T> {
    return {load_lanes(x + i, lanes), Vec<T>{}};
  });
  const T near = static_cast<T>(sum.first * inverse);
  const RowSums s = sum_block<T>(begin, end, readable, [&](int64_t i, int lanes) -> Terms<T> {
    const Vec<T> d = load_lanes(x + i, lanes) - near;
    return {d, d * d};
  });
  const double shift = s.first * inverse;  // the rounding error of `near`
  return {static_cast<double>(near) + shift, s.second - s.first * shift};
}

template <class T>
LAMINA_INLINE Moments row_moments(const T* x, int64_t n, int64_t readable) {
  Moments all = block_moments(x, 0, n < kRowBlock ? n : kRowBlock, readable);
  for (int64_t begin = kRowBlock; begin < n; begin += kRowBlock) {
    const int64_t end = begin + kRowBlock < n ? begin + kRowBlock : n;
    join(all, static_cast<double>(begin), block_moments(x, begin, end, readable),
         static_cast<double>(end - begin));
  }
  return all;
}

}  // namespace lamina::cpu::LAMINA_ISA

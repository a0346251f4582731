// What reductions keep while they run: a state a thread, that takes elements and combines with
// another thread's.  Sums, products and moments of floats are kept in double: memory is the bound.
#pragma once

#include <math.h>

#include "cuda/launch.h"
#include "kernels/reduce.h"

namespace lamina::cuda::reducers {

using kernels::Reduce;

template <class T>
struct AccumulatorOf {
  using Type = double;
};
template <>
struct AccumulatorOf<int64_t> {
  using Type = int64_t;
};
template <class T>
using Accumulator = typename AccumulatorOf<T>::Type;

// Sums, products and norms: one number.  R is that of T.
template <Reduce op, class T>
struct Fold {
  using R = Accumulator<T>;
  static constexpr bool kHasSecond = false, kHasRoot = false;
  R value = op == Reduce::prod ? R(1) : R(0);

  __device__ __forceinline__ void take(T element, int64_t, double p) {
    const R x = static_cast<R>(element);
    if constexpr (op == Reduce::prod)
      value *= x;
    else if constexpr (op == Reduce::norm0)
      value += x != 0;
    else if constexpr (op == Reduce::norm1)
      value += x < 0 ? -x : x;
    else if constexpr (op == Reduce::norm2)
      value += x * x;
    else if constexpr (op == Reduce::norm_p)
      value += static_cast<R>(pow(fabs(element), static_cast<T>(p)));
    else
      value += x;
  }
  __device__ __forceinline__ void combine(const Fold& other) {
    if constexpr (op == Reduce::prod)
      value *= other.value;
    else
      value += other.value;
  }
  __device__ __forceinline__ R result(int64_t n, double p) const {
    if constexpr (op == Reduce::mean) return value / static_cast<R>(n);
    if constexpr (op == Reduce::norm2) return static_cast<R>(sqrt(static_cast<double>(value)));
    if constexpr (op == Reduce::norm_p)
      return static_cast<R>(pow(static_cast<double>(value), 1 / p));
    return value;
  }
};

// The largest or smallest element or magnitude; NaN wins.
template <Reduce op, class T>
struct Extremum {
  using R = T;
  static constexpr bool kHasSecond = false, kHasRoot = false;
  static constexpr bool kLargest = op == Reduce::amax || op == Reduce::norm_inf;
  T value = 0;
  int any = 0, padding = 0;

  static __device__ __forceinline__ bool wins(T a, T b) {
    return a != a || (kLargest ? a > b : a < b);
  }
  __device__ __forceinline__ void take(T x, int64_t, double) {
    if constexpr (op == Reduce::norm_inf || op == Reduce::norm_neg_inf) x = x < 0 ? -x : x;
    if (!any || wins(x, value)) value = x;
    any = 1;
  }
  __device__ __forceinline__ void combine(const Extremum& other) {
    if (other.any && (!any || wins(other.value, value))) value = other.value;
    any |= other.any;
  }
  __device__ __forceinline__ T result(int64_t, double) const { return value; }
};

// any and all.
template <Reduce op>
struct Test {
  using R = bool;
  static constexpr bool kHasSecond = false, kHasRoot = false;
  int value = op == Reduce::all;

  __device__ __forceinline__ void take(bool x, int64_t, double) {
    value = op == Reduce::all ? value & x : value | x;
  }
  __device__ __forceinline__ void combine(const Test& other) { take(other.value != 0, 0, 0); }
  __device__ __forceinline__ bool result(int64_t, double) const { return value != 0; }
};

// Mean and sum of squared deviations, merged as Chan, Golub and LeVeque do ("Updating formulae and a
// pairwise algorithm for computing sample variances", 1979).
struct Moments {
  using R = double;
  static constexpr bool kHasSecond = true, kHasRoot = true;
  using Second = double;
  double mean = 0, squares = 0, count = 0;

  __device__ __forceinline__ void take(double x, int64_t, double) {
    count += 1;
    const double apart = x - mean;
    mean += apart / count;
    squares += apart * (x - mean);
  }
  __device__ __forceinline__ void combine(const Moments& other) {
    if (other.count == 0) return;
    const double total = count + other.count, apart = other.mean - mean;
    mean += apart * (other.count / total);
    squares += other.squares + apart * apart * (count * other.count / total);
    count = total;
  }
  __device__ __forceinline__ double result(int64_t n, double correction) const {
    const double left = static_cast<double>(n) - correction;
    return squares / (left > 0 ? left : 0);  // its root: the caller's
  }
  __device__ __forceinline__ double second() const { return mean; }
};

// The first position of the largest or smallest element; NaN wins.
template <Reduce op, class T>
struct Index {
  static constexpr bool kLargest = op == Reduce::argmax || op == Reduce::max;
  static constexpr bool kPosition = op == Reduce::argmax || op == Reduce::argmin;
  using R = std::conditional_t<kPosition, int64_t, T>;
  static constexpr bool kHasSecond = !kPosition, kHasRoot = false;
  using Second = int64_t;
  int64_t position = -1;
  T value = 0;
  char padding[8 - sizeof(T) % 8] = {};

  static __device__ __forceinline__ bool wins(T a, int64_t at, T b, int64_t than) {
    if (a != a || b != b) return a != a && (b == b || at < than);
    return (kLargest ? a > b : a < b) || (a == b && at < than);
  }
  __device__ __forceinline__ void take(T x, int64_t at, double) {
    if (position < 0 || wins(x, at, value, position)) {
      value = x;
      position = at;
    }
  }
  __device__ __forceinline__ void combine(const Index& other) {
    if (other.position >= 0) take(other.value, other.position, 0);
  }
  __device__ __forceinline__ R result(int64_t, double) const {
    if constexpr (kPosition)
      return position;
    else
      return value;
  }
  __device__ __forceinline__ int64_t second() const { return position; }
};

}  // namespace lamina::cuda::reducers

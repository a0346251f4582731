// Distances between all pairs of rows, straight from their differences, vectorised over features.
//
// Bound by arithmetic: 3 operations a feature and pair (p = 1, 2, infinity), exp and log for
// another p.  Pairs in great number are better served by |x|^2 + |y|^2 - 2 x y, a matrix multiply.
#include "kernels/distance.h"

#include "core/parallel.h"
#include "cpu/lanes.h"
#include "cpu/loop.h"
#include "cpu/scalar_math.h"
#include "cpu/vec_math.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::DistanceShape;
using kernels::PairStrides;

// Each norm: term(d) of a difference, how terms combine, what their total becomes, and
// slope(d, total): the derivative of the norm by d, where the norm is `total` > 0.
template <class T>
struct Sum {
  static LAMINA_INLINE Vec<T> combine(Vec<T> a, Vec<T> b) { return a + b; }
  static LAMINA_INLINE T combine(T a, T b) { return a + b; }
};

template <class V>
LAMINA_INLINE V sign(V x) {
  return x > 0 ? V{} + 1 : x < 0 ? V{} - 1 : V{};
}

template <class T>
struct Norm0 : Sum<T> {
  using V = Vec<T>;
  LAMINA_INLINE V term(V d) const { return d != 0 ? V{} + 1 : V{}; }
  LAMINA_INLINE T finish(T total) const { return total; }
  LAMINA_INLINE V slope(V, T) const { return V{}; }
};

template <class T>
struct Norm1 : Sum<T> {
  using V = Vec<T>;
  LAMINA_INLINE V term(V d) const { return math::abs(d); }
  LAMINA_INLINE T finish(T total) const { return total; }
  LAMINA_INLINE V slope(V d, T) const { return sign(d); }
};

template <class T>
struct Norm2 : Sum<T> {
  using V = Vec<T>;
  LAMINA_INLINE V term(V d) const { return d * d; }
  LAMINA_INLINE T finish(T total) const { return scalar::sqrt(total); }
  LAMINA_INLINE V slope(V d, T norm) const { return d / norm; }
};

template <class T>
struct NormMax {
  using V = Vec<T>;
  static LAMINA_INLINE V combine(V a, V b) { return maximum(a, b); }
  static LAMINA_INLINE T combine(T a, T b) { return a > b || a != a ? a : b; }
  LAMINA_INLINE V term(V d) const { return math::abs(d); }
  LAMINA_INLINE T finish(T total) const { return total; }
  LAMINA_INLINE V slope(V d, T norm) const { return math::abs(d) == norm ? sign(d) : V{}; }
};

template <class T>
struct NormP : Sum<T> {
  using V = Vec<T>;
  T p;
  LAMINA_INLINE explicit NormP(double p) : p(static_cast<T>(p)) {}
  LAMINA_INLINE static V power(V x, T p) {  // x >= 0
    return x > 0 ? math::exp(math::log(x) * p) : x;
  }
  LAMINA_INLINE V term(V d) const { return power(math::abs(d), p); }
  LAMINA_INLINE T finish(T total) const { return scalar::pow(total, 1 / p); }
  LAMINA_INLINE V slope(V d, T norm) const { return sign(d) * power(math::abs(d) / norm, p - 1); }
};

template <class T, class Norm>
LAMINA_INLINE T distance(const Norm& norm, const T* x, const T* y, int64_t n) {
  constexpr int64_t L = kLanes<T>;
  Vec<T> sums = {};
  int64_t i = 0;
  for (; i + L <= n; i += L) sums = Norm::combine(sums, norm.term(load(x + i) - load(y + i)));
  if (i < n) {
    const int rest = static_cast<int>(n - i);
    const Vec<T> d = load_partial(x + i, rest) - load_partial(y + i, rest);
    sums = Norm::combine(sums, norm.term(d));
  }
  T total = sums[0];
  for (int k = 1; k < L; ++k) total = Norm::combine(total, sums[k]);
  return norm.finish(total);
}

int64_t grain(const DistanceShape& s) {
  const int64_t work = s.columns * (s.features + 8) + 1;
  return work < kLoopGrain ? kLoopGrain / work : 1;
}

template <class T, class Norm>
void forward_norm(const DistanceShape& s, const Norm& norm, const T* x, const T* y, T* out) {
  parallel_for(s.batch * s.rows, grain(s), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const T* others = y + r / s.rows * s.columns * s.features;
      for (int64_t c = 0; c < s.columns; ++c)
        out[r * s.columns + c] =
            distance(norm, x + r * s.features, others + c * s.features, s.features);
    }
  });
}

template <class T, class Norm>
void backward_norm(const DistanceShape& s, const PairStrides& strides, const Norm& norm, const T* x,
                   const T* y, const T* out, const T* grad, T* dx) {
  constexpr int64_t L = kLanes<T>;
  const int64_t n = s.features;
  parallel_for(s.batch * s.rows, grain(s), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t b = r / s.rows;
      const T* row = x + r * n;
      T* to = dx + r * n;
      for (int64_t i = 0; i < n; ++i) to[i] = 0;
      for (int64_t c = 0; c < s.columns; ++c) {
        const int64_t pair = b * s.rows * s.columns + r % s.rows * strides.row + c * strides.column;
        const T total = out[pair], g = grad[pair];
        if (total == 0) continue;
        const T* other = y + (b * s.columns + c) * n;
        for (int64_t i = 0; i < n; i += L) {
          const int lanes = static_cast<int>(n - i < L ? n - i : L);
          const Vec<T> d = load_lanes(row + i, lanes) - load_lanes(other + i, lanes);
          store_lanes(to + i, load_lanes(to + i, lanes) + norm.slope(d, total) * g, lanes);
        }
      }
    }
  });
}

template <class T, class F>
LAMINA_INLINE void with_norm(double p, const F& f) {
  if (p == 0) return f(Norm0<T>{});
  if (p == 1) return f(Norm1<T>{});
  if (p == 2) return f(Norm2<T>{});
  if (p == __builtin_inf()) return f(NormMax<T>{});
  f(NormP<T>(p));
}

void forward(const DistanceShape& s, const void* x, const void* y, void* out) {
  visit_real(s.dtype, [&](auto element) {
    using T = decltype(element);
    with_norm<T>(s.p, [&](const auto& norm) {
      forward_norm(s, norm, static_cast<const T*>(x), static_cast<const T*>(y),
                   static_cast<T*>(out));
    });
  });
}

void backward(const DistanceShape& s, const PairStrides& strides, const void* x, const void* y,
              const void* out, const void* grad, void* dx) {
  visit_real(s.dtype, [&](auto element) {
    using T = decltype(element);
    with_norm<T>(s.p, [&](const auto& norm) {
      backward_norm(s, strides, norm, static_cast<const T*>(x), static_cast<const T*>(y),
                    static_cast<const T*>(out), static_cast<const T*>(grad), static_cast<T*>(dx));
    });
  });
}

}  // namespace

LAMINA_CPU_KERNELS(Distance, distance){&forward, &backward};

}  // namespace lamina::cpu::LAMINA_ISA

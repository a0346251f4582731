// Distances between all pairs of rows, straight from their differences.  y is transposed first, so
// that vectors run over its rows, whatever the number of features.
//
// Bound by arithmetic: 3 operations a feature and pair (p = 1, 2, infinity), exp and log for
// another p.  Pairs in great number are better served by |x|^2 + |y|^2 - 2 x y, a matrix multiply.
#include "kernels/distance.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/lanes.h"
#include "cpu/loop.h"
#include "cpu/scalar_math.h"
#include "cpu/vec_math.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::DistanceShape;

// Each norm: term(d) of a difference, how terms combine, what their total becomes, and
// weight(g, norm) * slope(d, norm): g times the derivative of a norm > 0 by d.
template <class T>
struct Sum {
  static LAMINA_INLINE Vec<T> combine(Vec<T> a, Vec<T> b) { return a + b; }
  LAMINA_INLINE Vec<T> weight(Vec<T> g, Vec<T>) const { return g; }
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
  LAMINA_INLINE V slope(V, V) const { return V{}; }
};

template <class T>
struct Norm1 : Sum<T> {
  using V = Vec<T>;
  LAMINA_INLINE V term(V d) const { return math::abs(d); }
  LAMINA_INLINE T finish(T total) const { return total; }
  LAMINA_INLINE V slope(V d, V) const { return sign(d); }
};

template <class T>
struct Norm2 : Sum<T> {
  using V = Vec<T>;
  LAMINA_INLINE V term(V d) const { return d * d; }
  LAMINA_INLINE T finish(T total) const { return scalar::sqrt(total); }
  LAMINA_INLINE V weight(V g, V norm) const { return g / norm; }
  LAMINA_INLINE V slope(V d, V) const { return d; }
};

template <class T>
struct NormMax {
  using V = Vec<T>;
  static LAMINA_INLINE V combine(V a, V b) { return maximum(a, b); }
  LAMINA_INLINE V weight(V g, V) const { return g; }
  LAMINA_INLINE V term(V d) const { return math::abs(d); }
  LAMINA_INLINE T finish(T total) const { return total; }
  LAMINA_INLINE V slope(V d, V norm) const { return math::abs(d) == norm ? sign(d) : V{}; }
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
  LAMINA_INLINE V slope(V d, V norm) const { return sign(d) * power(math::abs(d) / norm, p - 1); }
};

// y of one batch as (features, columns), padded to whole vectors; a vector may begin at any column.
template <class T>
struct Columns {
  const Scratch held;
  T* data;
  int64_t pitch;

  LAMINA_INLINE explicit Columns(const DistanceShape& s)
      : held(static_cast<size_t>((s.columns + kLanes<T>)*s.features + kLanes<T>) * sizeof(T)),
        data(held.as<T>()),
        pitch((s.columns + kLanes<T> - 1) / kLanes<T> * kLanes<T>) {}

  LAMINA_INLINE void fill(const DistanceShape& s, const T* y) const {
    for (int64_t f = 0; f < s.features; ++f)
      for (int64_t c = 0; c < pitch; ++c)
        data[f * pitch + c] = c < s.columns ? y[c * s.features + f] : T(0);
  }
};

// f(columns, batch, first row, end) in parallel.
template <class T, class F>
void for_rows(const DistanceShape& s, const T* y, const F& f) {
  const int64_t work = s.columns * (s.features + 8) + 1;
  const int64_t rows = work < kLoopGrain ? kLoopGrain / work + 1 : 1;
  for (int64_t b = 0; b < s.batch; ++b) {
    const Columns<T> columns(s);
    columns.fill(s, y + b * s.columns * s.features);
    parallel_for(s.rows, rows, [&](int64_t begin, int64_t end) { f(columns, b, begin, end); });
  }
}

constexpr int kBlock = 4;  // vectors of columns at once

// Distances of one row to the columns from `first` on.
template <class T, class Norm>
LAMINA_INLINE void distances(const Norm& norm, const DistanceShape& s, const Columns<T>& columns,
                             const T* row, int64_t first, T* to) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t c = first; c < s.columns; c += kBlock * L) {
    const int64_t left = (s.columns - c + L - 1) / L, vectors = left < kBlock ? left : kBlock;
    Vec<T> sums[kBlock] = {};
    for (int64_t f = 0; f < s.features; ++f) {
      const T* from = columns.data + f * columns.pitch + c;
      if (vectors == kBlock) {
#pragma GCC unroll 4
        for (int k = 0; k < kBlock; ++k)
          sums[k] = Norm::combine(sums[k], norm.term(row[f] - load(from + k * L)));
      } else {
        for (int64_t k = 0; k < vectors; ++k)
          sums[k] = Norm::combine(sums[k], norm.term(row[f] - load(from + k * L)));
      }
    }
    T totals[kBlock * L];
    for (int k = 0; k < kBlock; ++k) store(totals + k * L, sums[k]);
    const int64_t n = s.columns - c < kBlock * L ? s.columns - c : kBlock * L;
    for (int64_t i = 0; i < n; ++i) to[c - first + i] = norm.finish(totals[i]);
  }
}

template <class T, class Norm>
void forward_norm(const DistanceShape& s, const Norm& norm, const T* x, const T* y, T* out) {
  for_rows(s, y, [&](const Columns<T>& columns, int64_t b, int64_t begin, int64_t end) {
    for (int64_t r = b * s.rows + begin; r < b * s.rows + end; ++r)
      distances(norm, s, columns, x + r * s.features, 0, out + r * s.columns);
  });
}

// Where the pair (i, j), i < j, of n rows lies.
LAMINA_INLINE int64_t pair_at(int64_t i, int64_t j, int64_t n) {
  return i * (n - 1) - i * (i - 1) / 2 + j - i - 1;
}

template <class T, class Norm>
void pairs_norm(const DistanceShape& s, const Norm& norm, const T* x, T* out) {
  for_rows(s, x, [&](const Columns<T>& columns, int64_t, int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      distances(norm, s, columns, x + r * s.features, r + 1, out + pair_at(r, r + 1, s.columns));
  });
}

// dx[f] of kCount features from f on.
template <int kCount, class T, class Norm>
LAMINA_INLINE void slopes(const Norm& norm, const Columns<T>& columns, const T* x, const T* norms,
                          const T* weights, int64_t f, T* dx) {
  constexpr int64_t L = kLanes<T>;
  Vec<T> sums[kCount] = {};
  for (int64_t c = 0; c < columns.pitch; c += L) {
    const Vec<T> total = load(norms + c), weight = load(weights + c);
#pragma GCC unroll 4
    for (int k = 0; k < kCount; ++k) {
      const Vec<T> d = x[f + k] - load(columns.data + (f + k) * columns.pitch + c);
      sums[k] += norm.slope(d, total) * weight;
    }
  }
  for (int k = 0; k < kCount; ++k) {
    T sum = 0;
    for (int lane = 0; lane < L; ++lane) sum += sums[k][lane];
    dx[f + k] = sum;
  }
}

// dx of one row from its distances to all columns and their gradients; `room` holds two rows.
template <class T, class Norm>
LAMINA_INLINE void row_gradient(const Norm& norm, const DistanceShape& s, const Columns<T>& columns,
                                const T* row, const T* distances, const T* grads, T* room, T* dx) {
  constexpr int64_t L = kLanes<T>;
  T *norms = room, *weights = room + columns.pitch;
  for (int64_t c = 0; c < columns.pitch; c += L) {  // a distance of 0 has no gradient
    const int lanes = static_cast<int>(s.columns - c < L ? s.columns - c : L);
    const Vec<T> total = load_lanes(distances + c, lanes), g = load_lanes(grads + c, lanes);
    const Vec<T> safe = total == 0 ? Vec<T>{} + 1 : total;
    store(norms + c, safe);
    store(weights + c, total == 0 ? Vec<T>{} : norm.weight(g, safe));
  }
  int64_t f = 0;
  for (; f + 4 <= s.features; f += 4) slopes<4>(norm, columns, row, norms, weights, f, dx);
  for (; f < s.features; ++f) slopes<1>(norm, columns, row, norms, weights, f, dx);
}

template <class T, class Norm>
void backward_norm(const DistanceShape& s, const Norm& norm, const T* x, const T* y, const T* out,
                   const T* grad, T* dx) {
  for_rows(s, y, [&](const Columns<T>& columns, int64_t b, int64_t begin, int64_t end) {
    const Scratch room(static_cast<size_t>(2 * columns.pitch) * sizeof(T));
    for (int64_t r = b * s.rows + begin; r < b * s.rows + end; ++r)
      row_gradient(norm, s, columns, x + r * s.features, out + r * s.columns, grad + r * s.columns,
                   room.as<T>(), dx + r * s.features);
  });
}

template <class T, class Norm>
void pairs_backward_norm(const DistanceShape& s, const Norm& norm, const T* x, const T* out,
                         const T* grad, T* dx) {
  const int64_t n = s.columns;
  for_rows(s, x, [&](const Columns<T>& columns, int64_t, int64_t begin, int64_t end) {
    const Scratch room(static_cast<size_t>(4 * columns.pitch) * sizeof(T));
    T *distances = room.as<T>() + 2 * columns.pitch, *grads = distances + columns.pitch;
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t c = 0; c < n; ++c) {
        const int64_t at = c < r ? pair_at(c, r, n) : pair_at(r, c, n);
        distances[c] = c == r ? T(0) : out[at];
        grads[c] = c == r ? T(0) : grad[at];
      }
      row_gradient(norm, s, columns, x + r * s.features, distances, grads, room.as<T>(),
                   dx + r * s.features);
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

void pairs(const DistanceShape& s, const void* x, void* out) {
  visit_real(s.dtype, [&](auto element) {
    using T = decltype(element);
    with_norm<T>(s.p, [&](const auto& norm) {
      pairs_norm(s, norm, static_cast<const T*>(x), static_cast<T*>(out));
    });
  });
}

void pairs_backward(const DistanceShape& s, const void* x, const void* out, const void* grad,
                    void* dx) {
  visit_real(s.dtype, [&](auto element) {
    using T = decltype(element);
    with_norm<T>(s.p, [&](const auto& norm) {
      pairs_backward_norm(s, norm, static_cast<const T*>(x), static_cast<const T*>(out),
                          static_cast<const T*>(grad), static_cast<T*>(dx));
    });
  });
}

void backward(const DistanceShape& s, const void* x, const void* y, const void* out,
              const void* grad, void* dx) {
  visit_real(s.dtype, [&](auto element) {
    using T = decltype(element);
    with_norm<T>(s.p, [&](const auto& norm) {
      backward_norm(s, norm, static_cast<const T*>(x), static_cast<const T*>(y),
                    static_cast<const T*>(out), static_cast<const T*>(grad), static_cast<T*>(dx));
    });
  });
}

}  // namespace

LAMINA_CPU_KERNELS(Distance, distance){&forward, &backward, &pairs, &pairs_backward};

}  // namespace lamina::cpu::LAMINA_ISA

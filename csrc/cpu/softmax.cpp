// Softmax: y_i = exp(x_i - max x) / sum_j exp(x_j - max x); log-softmax: x_i - max x - log sum.
//
// Two layouts: along contiguous rows (inner = 1), vectors along the row; across rows (inner > 1),
// vectors across `inner`, one lane a softmax.  Three passes over a row that fits the L1 or L2
// cache, so bound by one read and one write of memory, and by exp for short rows.
#include "kernels/softmax.h"

#include "core/parallel.h"
#include "cpu/lanes.h"
#include "cpu/scalar_math.h"
#include "cpu/vec_math.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::SoftmaxShape;

constexpr int64_t kGrain = 8192;  // elements a chunk

template <class T>
LAMINA_INLINE T sum_of(Vec<T> v) {
  T total = 0;
  for (int i = 0; i < kLanes<T>; ++i) total += v[i];
  return total;
}

// body(i, lanes) over [0, n) in vectors.
template <class T, class Body>
LAMINA_INLINE void for_each_vector(int64_t n, const Body& body) {
  constexpr int lanes = kLanes<T>;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) body(i, lanes);
  if (i < n) body(i, static_cast<int>(n - i));
}

template <class T>
void forward_row(int64_t n, bool log, const T* x, T* y) {
  constexpr T lowest = -__builtin_huge_val();
  Vec<T> top = broadcast(lowest);
  for_each_vector<T>(
      n, [&](int64_t i, int lanes) { top = maximum(top, load_lanes(x + i, lanes, lowest)); });
  T peak = top[0];
  for (int i = 1; i < kLanes<T>; ++i) peak = top[i] > peak || top[i] != top[i] ? top[i] : peak;
  Vec<T> sums{};
  for_each_vector<T>(n, [&](int64_t i, int lanes) {
    const Vec<T> e = math::exp(load_lanes(x + i, lanes, lowest) - peak);
    sums += e;
    if (!log) store_lanes(y + i, e, lanes);
  });
  const T sum = sum_of<T>(sums);
  if (log) {
    const T shift = peak + scalar::log(sum);
    for_each_vector<T>(n, [&](int64_t i, int lanes) {
      store_lanes(y + i, load_lanes(x + i, lanes, T(0)) - shift, lanes);
    });
  } else {
    const T scale = 1 / sum;
    for_each_vector<T>(n, [&](int64_t i, int lanes) {
      store_lanes(y + i, load_lanes(y + i, lanes, T(0)) * scale, lanes);
    });
  }
}

template <class T>
void backward_row(int64_t n, bool log, const T* y, const T* dy, T* dx) {
  Vec<T> sums{};
  for_each_vector<T>(n, [&](int64_t i, int lanes) {
    const Vec<T> g = load_lanes(dy + i, lanes, T(0));
    sums += log ? g : g * load_lanes(y + i, lanes, T(0));
  });
  const T sum = sum_of<T>(sums);
  for_each_vector<T>(n, [&](int64_t i, int lanes) {
    const Vec<T> g = load_lanes(dy + i, lanes, T(0)), v = load_lanes(y + i, lanes, T(0));
    store_lanes(dx + i, log ? g - math::exp(v) * sum : v * (g - sum), lanes);
  });
}

// One vector of softmaxes side by side: element k of lane j is at x[k*stride + j].
template <class T>
void forward_columns(int64_t n, int64_t stride, int lanes, bool log, const T* x, T* y) {
  constexpr T lowest = -__builtin_huge_val();
  Vec<T> top = broadcast(lowest);
  for (int64_t k = 0; k < n; ++k) top = maximum(top, load_lanes(x + k * stride, lanes, T(0)));
  Vec<T> sum{};
  for (int64_t k = 0; k < n; ++k) {
    const Vec<T> e = math::exp(load_lanes(x + k * stride, lanes, T(0)) - top);
    sum += e;
    if (!log) store_lanes(y + k * stride, e, lanes);
  }
  if (log) {
    Vec<T> shift = top;
    for (int i = 0; i < kLanes<T>; ++i) shift[i] += scalar::log(sum[i]);
    for (int64_t k = 0; k < n; ++k)
      store_lanes(y + k * stride, load_lanes(x + k * stride, lanes, T(0)) - shift, lanes);
  } else {
    const Vec<T> scale = T(1) / sum;
    for (int64_t k = 0; k < n; ++k)
      store_lanes(y + k * stride, load_lanes(y + k * stride, lanes, T(0)) * scale, lanes);
  }
}

template <class T>
void backward_columns(int64_t n, int64_t stride, int lanes, bool log, const T* y, const T* dy,
                      T* dx) {
  Vec<T> sum{};
  for (int64_t k = 0; k < n; ++k) {
    const Vec<T> g = load_lanes(dy + k * stride, lanes, T(0));
    sum += log ? g : g * load_lanes(y + k * stride, lanes, T(0));
  }
  for (int64_t k = 0; k < n; ++k) {
    const Vec<T> g = load_lanes(dy + k * stride, lanes, T(0)),
                 v = load_lanes(y + k * stride, lanes, T(0));
    store_lanes(dx + k * stride, log ? g - math::exp(v) * sum : v * (g - sum), lanes);
  }
}

// row(offset) for every contiguous row, or columns(offset, lanes) for every vector of columns.
template <class T, class RowBody, class ColumnBody>
LAMINA_INLINE void for_each_softmax(const SoftmaxShape& s, const RowBody& row,
                                    const ColumnBody& columns) {
  const int64_t groups = s.inner == 1 ? 1 : (s.inner + kLanes<T> - 1) / kLanes<T>;
  const int64_t work = s.inner == 1 ? s.n : s.n * kLanes<T>;
  const int64_t grain = work < kGrain ? kGrain / (work > 0 ? work : 1) : 1;
  parallel_for(s.outer * groups, grain, [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t base = unit / groups * s.n * s.inner, at = unit % groups * kLanes<T>;
      if (s.inner == 1)
        row(base);
      else
        columns(base + at, static_cast<int>(s.inner - at < kLanes<T> ? s.inner - at : kLanes<T>));
    }
  });
}

void forward(DType dtype, const SoftmaxShape& s, bool log, const void* x, void* y) {
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    const T* in = static_cast<const T*>(x);
    T* out = static_cast<T*>(y);
    for_each_softmax<T>(
        s, [&](int64_t at) { forward_row(s.n, log, in + at, out + at); },
        [&](int64_t at, int lanes) {
          forward_columns(s.n, s.inner, lanes, log, in + at, out + at);
        });
  });
}

void backward(DType dtype, const SoftmaxShape& s, bool log, const void* y, const void* dy,
              void* dx) {
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    const T* out = static_cast<const T*>(y);
    const T* grad = static_cast<const T*>(dy);
    T* result = static_cast<T*>(dx);
    for_each_softmax<T>(
        s, [&](int64_t at) { backward_row(s.n, log, out + at, grad + at, result + at); },
        [&](int64_t at, int lanes) {
          backward_columns(s.n, s.inner, lanes, log, out + at, grad + at, result + at);
        });
  });
}

}  // namespace

LAMINA_CPU_KERNELS(Softmax, softmax){&forward, &backward};

}  // namespace lamina::cpu::LAMINA_ISA

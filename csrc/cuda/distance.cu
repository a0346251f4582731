// Distances between all pairs of rows, straight from their differences.
//
// Forward as a matrix product is tiled: a block takes 64 x 64 pairs, a thread 4 x 4 of them,
// features pass through shared memory 16 at a time.  Backward a thread sums over the columns for
// one element of dx; neighbours read neighbouring features.  Bound by arithmetic: 3 instructions a
// feature and pair (p = 1, 2, infinity), a power for another p; 4096 x 4096 pairs of 64 features
// are 3.2e9, 0.11 ms at the 3e13 a second of 60 TFLOP/s; their 67 MB of results take 16 us at the
// 4.3 TB/s that an H200 copies.  Compiled and emulated, not yet run on a device.
#include <math.h>

#include "cuda/launch.h"
#include "kernels/distance.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using kernels::DistanceShape;

constexpr int kThreads = 256, kTile = 64, kEach = 4, kDepth = 16;
constexpr int kSide = kTile / kEach;  // threads
static_assert(kSide * kSide == kThreads);

template <class T>
__device__ __forceinline__ T sign(T x) {
  return x > 0 ? T(1) : x < 0 ? T(-1) : T(0);
}

// Each norm: term(d) of a difference, how terms combine, what their total becomes, and
// weight(g, norm) * slope(d, norm): g times the derivative of a norm > 0 by d.
template <class T>
struct Sum {
  static __device__ T combine(T a, T b) { return a + b; }
  __device__ T finish(T total) const { return total; }
  __device__ T weight(T g, T) const { return g; }
};

template <class T>
struct Norm0 : Sum<T> {
  __device__ T term(T d) const { return d != 0 ? T(1) : T(0); }
  __device__ T slope(T, T) const { return 0; }
};

template <class T>
struct Norm1 : Sum<T> {
  __device__ T term(T d) const { return fabs(d); }
  __device__ T slope(T d, T) const { return sign(d); }
};

template <class T>
struct Norm2 : Sum<T> {
  __device__ T term(T d) const { return d * d; }
  __device__ T finish(T total) const { return sqrt(total); }
  __device__ T weight(T g, T norm) const { return g / norm; }
  __device__ T slope(T d, T) const { return d; }
};

template <class T>
struct NormMax : Sum<T> {
  static __device__ T combine(T a, T b) { return a > b || a != a ? a : b; }
  __device__ T term(T d) const { return fabs(d); }
  __device__ T slope(T d, T norm) const { return fabs(d) == norm ? sign(d) : T(0); }
};

template <class T>
struct NormP : Sum<T> {
  T p;

  explicit NormP(double power) : p(static_cast<T>(power)) {}
  static __device__ T power(T x, T p) { return x > 0 ? pow(x, p) : x; }  // x >= 0
  __device__ T term(T d) const { return power(fabs(d), p); }
  __device__ T finish(T total) const { return pow(total, 1 / p); }
  __device__ T slope(T d, T norm) const { return sign(d) * power(fabs(d) / norm, p - 1); }
};

// Up to kTile rows from `first` on, features [from, from + kDepth), to tile[feature][row].
template <class T>
__device__ __forceinline__ void read_tile(const T* rows, int64_t count, int64_t first,
                                          int64_t features, int64_t from,
                                          T (&tile)[kDepth][kTile + 1]) {
  for (int k = threadIdx.x; k < kTile * kDepth; k += kThreads) {
    const int64_t row = first + k / kDepth, f = from + k % kDepth;
    tile[k % kDepth][k / kDepth] = row < count && f < features ? rows[row * features + f] : T(0);
  }
}

// Where the distance of two rows lies: in a matrix a batch, or, for pairs of one x, in the order of
// row after row of what is above the diagonal.
struct Place {
  bool pairs;
  int64_t rows, columns;

  __device__ __forceinline__ int64_t at(int64_t b, int64_t row, int64_t column) const {
    if (!pairs) return (b * rows + row) * columns + column;
    const int64_t i = row < column ? row : column, j = row < column ? column : row;
    return i * (2 * columns - i - 1) / 2 + j - i - 1;
  }
};

// blockIdx.x: batch, tile of rows, tile of columns.  Features beyond the last differ by 0, which adds
// nothing to any norm.  Two blocks a multiprocessor are enough for sixteen independent sums a thread;
// left to choose, the compiler takes four, and spills.
template <class T, class Norm>
__global__ void __launch_bounds__(kThreads, 2)
    forward_kernel(const DistanceShape s, const Place place, const Norm norm, const T* x,
                   const T* y, T* out) {
  LAMINA_SHARED(T, left, [kDepth][kTile + 1]);
  LAMINA_SHARED(T, right, [kDepth][kTile + 1]);
  const int64_t down = (s.rows + kTile - 1) / kTile, across = (s.columns + kTile - 1) / kTile;
  const int64_t b = blockIdx.x / (down * across), tile = blockIdx.x % (down * across);
  const int64_t row = tile / across * kTile, column = tile % across * kTile;
  if (place.pairs && column + kTile <= row + 1) return;  // all of it below the diagonal
  const int r = threadIdx.x / kSide, c = threadIdx.x % kSide;
  T sums[kEach][kEach] = {};
  for (int64_t from = 0; from < s.features; from += kDepth) {
    __syncthreads();
    read_tile(x + b * s.rows * s.features, s.rows, row, s.features, from, left);
    read_tile(y + b * s.columns * s.features, s.columns, column, s.features, from, right);
    __syncthreads();
    for (int f = 0; f < kDepth; ++f)
      for (int i = 0; i < kEach; ++i)
        for (int j = 0; j < kEach; ++j)
          sums[i][j] = Norm::combine(sums[i][j],
                                     norm.term(left[f][r + i * kSide] - right[f][c + j * kSide]));
  }
  for (int i = 0; i < kEach; ++i)
    for (int j = 0; j < kEach; ++j) {
      const int64_t at_row = row + r + i * kSide, at_column = column + c + j * kSide;
      const bool wanted = place.pairs ? at_row < at_column : at_row < s.rows;
      if (wanted && at_column < s.columns)
        out[place.at(b, at_row, at_column)] = norm.finish(sums[i][j]);
    }
}

template <class T, class Norm>
__global__ void __launch_bounds__(kThreads)
    backward_kernel(const DistanceShape s, const Place place, const Norm norm, const T* x,
                    const T* y, const T* out, const T* grad, T* dx) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= s.batch * s.rows * s.features) return;
  const int64_t row = i / s.features, f = i % s.features, b = row / s.rows;
  const T mine = x[i];
  const T* others = y + b * s.columns * s.features + f;
  T sum = 0;
  for (int64_t j = 0; j < s.columns; ++j) {
    if (place.pairs && j == row) continue;
    const int64_t at = place.at(b, row - b * s.rows, j);
    const T total = out[at];
    if (total != 0)  // a distance of 0 has no gradient
      sum += norm.weight(grad[at], total) * norm.slope(mine - others[j * s.features], total);
  }
  dx[i] = sum;
}

template <class T, class F>
void with_norm(double p, const F& f) {
  if (p == 0) return f(Norm0<T>{});
  if (p == 1) return f(Norm1<T>{});
  if (p == 2) return f(Norm2<T>{});
  if (p == INFINITY) return f(NormMax<T>{});
  f(NormP<T>(p));
}

void run_forward(const DistanceShape& s, bool pairs, const void* x, const void* y, void* out) {
  visit_real(s.dtype, [&](auto element) {
    using T = decltype(element);
    with_norm<T>(s.p, [&](const auto& norm) {
      const int64_t blocks = s.batch * blocks_for(s.rows, kTile) * blocks_for(s.columns, kTile);
      launch(&forward_kernel<T, std::decay_t<decltype(norm)>>, static_cast<unsigned>(blocks),
             kThreads, 0, stream(), s, Place{pairs, s.rows, s.columns}, norm,
             static_cast<const T*>(x), static_cast<const T*>(y), static_cast<T*>(out));
    });
  });
}

void run_backward(const DistanceShape& s, bool pairs, const void* x, const void* y, const void* out,
                  const void* grad, void* dx) {
  const int64_t n = s.batch * s.rows * s.features;
  if (n == 0) return;
  visit_real(s.dtype, [&](auto element) {
    using T = decltype(element);
    with_norm<T>(s.p, [&](const auto& norm) {
      launch(&backward_kernel<T, std::decay_t<decltype(norm)>>, blocks_for(n, kThreads), kThreads,
             0, stream(), s, Place{pairs, s.rows, s.columns}, norm, static_cast<const T*>(x),
             static_cast<const T*>(y), static_cast<const T*>(out), static_cast<const T*>(grad),
             static_cast<T*>(dx));
    });
  });
}

void forward(const DistanceShape& s, const void* x, const void* y, void* out) {
  run_forward(s, false, x, y, out);
}

void backward(const DistanceShape& s, const void* x, const void* y, const void* out,
              const void* grad, void* dx) {
  run_backward(s, false, x, y, out, grad, dx);
}

void pairs(const DistanceShape& s, const void* x, void* out) { run_forward(s, true, x, x, out); }

void pairs_backward(const DistanceShape& s, const void* x, const void* out, const void* grad,
                    void* dx) {
  run_backward(s, true, x, x, out, grad, dx);
}

}  // namespace

LAMINA_CUDA_KERNELS(Distance, distance){&forward, &backward, &pairs, &pairs_backward};

}  // namespace lamina::cuda

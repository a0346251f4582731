// Layer normalisation (Ba, Kiros & Hinton, arXiv 1607.06450) of each row, and RMS normalisation (Zhang
// & Sennrich, arXiv 1910.07467), with m = 0 and v the mean of the squares:
//   y = (x - m) / s * weight + bias,  s = sqrt(v + eps),
//   dx = 1 / s (g - mean(g) - xhat mean(g xhat)),  g = dy weight,  xhat = (x - m) / s.
//
// A thread, a warp or a block takes a row: it sums and then writes, and finds the row in the L1
// cache the second time.  The parameters' gradients are sums down the columns, in a pass of their
// own.  Bound by bytes: 1 read and 1 write forward, 4 reads and 1 write backward, 8 and 20 bytes an
// element of float32: 8192 rows of 4096, 134 MB, take 62 and 156 us at the 4.3 TB/s that an H200
// copies.  Compiled and emulated, not yet run on a device.
#include <math.h>

#include "cuda/column_sums.h"
#include "kernels/layer_norm.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using kernels::LayerNormBackward;
using kernels::LayerNormForward;
using kernels::LayerNormShape;

Columns columns_of(const LayerNormShape& s) { return {1, s.rows, s.n, 1}; }

// Elements of rows, in items of `width`.
Rows rows_of(const LayerNormShape& s, int width) { return {s.rows, s.n / width, 1}; }

// weight or bias of width neighbours.
template <int width, class T>
__device__ __forceinline__ Some<T, width> parameters_at(const T* values, int64_t i, T otherwise) {
  if (values) return load_some<width>(values + i);
  Some<T, width> same;
  for (int k = 0; k < width; ++k) same.v[k] = otherwise;
  return same;
}

template <class T>
struct Forward {
  double eps;
  const T *x, *weight, *bias;
  T *y, *mean, *inv_std;
};

template <class T, int width, bool centred, int lanes>
__global__ void __launch_bounds__(kRowThreads) forward_kernel(const Rows rows, const Forward<T> a) {
  const Row<lanes> row(rows);
  const double count = static_cast<double>(row.n * width);
  double mean = 0, squares = 0;
  if constexpr (centred) {
    row.each([&](int64_t, int64_t at) {
      const Some<T, width> v = load_some<width>(a.x + at * width);
      for (int i = 0; i < width; ++i) mean += static_cast<double>(v.v[i]);
    });
    mean = row.sum(mean) / count;
  }
  row.each([&](int64_t, int64_t at) {
    const Some<T, width> v = load_some<width>(a.x + at * width);
    for (int i = 0; i < width; ++i) {
      const double d = static_cast<double>(v.v[i]) - mean;
      squares += d * d;
    }
  });
  const T middle = static_cast<T>(mean),
          scale = static_cast<T>(1 / sqrt(row.sum(squares) / count + a.eps));
  row.each([&](int64_t k, int64_t at) {
    Some<T, width> v = load_some<width>(a.x + at * width);
    const auto weight = parameters_at<width>(a.weight, k * width, T(1)),
               bias = parameters_at<width>(a.bias, k * width, T(0));
    for (int i = 0; i < width; ++i) v.v[i] = (v.v[i] - middle) * scale * weight.v[i] + bias.v[i];
    store_some(a.y + at * width, v);
  });
  if (!row.leads()) return;
  a.inv_std[row.index] = scale;
  if constexpr (centred) a.mean[row.index] = middle;
}

template <class T>
struct Backward {
  const T *x, *dy, *weight, *mean, *inv_std;  // mean: null for RMS norm
  T* dx;

  __device__ T mean_of(int64_t row) const { return mean ? mean[row] : T(0); }
};

// dx = inv_std g + slope (x - mean) + constant
template <class T, int width, int lanes>
__global__ void __launch_bounds__(kRowThreads)
    backward_kernel(const Rows rows, const Backward<T> a) {
  const Row<lanes> row(rows);
  const T mean = row.exists ? a.mean_of(row.index) : T(0);
  const T inv_std = row.exists ? a.inv_std[row.index] : T(0);
  Sums sums{0, 0};
  row.each([&](int64_t k, int64_t at) {
    const Some<T, width> x = load_some<width>(a.x + at * width),
                         dy = load_some<width>(a.dy + at * width),
                         weight = parameters_at<width>(a.weight, k * width, T(1));
    for (int i = 0; i < width; ++i) {
      const double g = static_cast<double>(dy.v[i] * weight.v[i]);
      sums = add_sums(sums, {g, g * static_cast<double>(x.v[i] - mean)});
    }
  });
  sums = row.reduce(sums, add_sums);
  const double inv = static_cast<double>(inv_std), count = static_cast<double>(row.n * width);
  const T slope = static_cast<T>(-inv * inv * inv * sums.second / count),
          constant = a.mean ? static_cast<T>(-inv * sums.first / count) : T(0);
  row.each([&](int64_t k, int64_t at) {
    const Some<T, width> x = load_some<width>(a.x + at * width),
                         weight = parameters_at<width>(a.weight, k * width, T(1));
    Some<T, width> g = load_some<width>(a.dy + at * width);
    for (int i = 0; i < width; ++i)
      g.v[i] = g.v[i] * weight.v[i] * inv_std + ((x.v[i] - mean) * slope + constant);
    store_some(a.dx + at * width, g);
  });
}

// Sums over the rows of dy and dy xhat.
template <class T>
struct ParameterTerm {
  Backward<T> a;

  template <int width, bool rows>
  struct Of {
    Backward<T> a;

    __device__ Of(const ParameterTerm& term, int64_t) : a(term.a) {}
    __device__ __forceinline__ void add(int64_t at, int64_t row, Sums (&sums)[width]) const {
      const T mean = a.mean_of(row), inv_std = a.inv_std[row];
      const Some<T, width> x = load_some<width>(a.x + at), dy = load_some<width>(a.dy + at);
      for (int i = 0; i < width; ++i) {
        const T xhat = (x.v[i] - mean) * inv_std;
        sums[i] =
            add_sums(sums[i], {static_cast<double>(dy.v[i]), static_cast<double>(dy.v[i] * xhat)});
      }
    }
  };
};

template <class T, int lanes>
__global__ void __launch_bounds__(kRowThreads)
    parameters_kernel(const Rows rows, const Sums* parts, T* dweight, T* dbias) {
  const Row<lanes> row(rows);
  Sums sums{0, 0};
  row.each([&](int64_t, int64_t at) { sums = add_sums(sums, parts[at]); });
  sums = row.reduce(sums, add_sums);
  if (!row.leads()) return;
  dbias[row.index] = static_cast<T>(sums.first);
  dweight[row.index] = static_cast<T>(sums.second);
}

// f(width): 4 where all arrays can be moved in packs, else 1.
template <class T, class F>
void visit_width(const LayerNormShape& s, std::initializer_list<const void*> arrays, F f) {
  if (in_packs<T>(columns_of(s), arrays))
    f(std::integral_constant<int, kPack>());
  else
    f(std::integral_constant<int, 1>());
}

template <class T, bool centred>
void forward_of(const LayerNormForward& a) {
  const Forward<T> args{a.eps,
                        static_cast<const T*>(a.x),
                        static_cast<const T*>(a.weight),
                        static_cast<const T*>(a.bias),
                        static_cast<T*>(a.y),
                        static_cast<T*>(a.mean),
                        static_cast<T*>(a.inv_std)};
  visit_width<T>(a.shape, {a.x, a.weight, a.bias, a.y}, [&](auto width) {
    launch_rows(
        rows_of(a.shape, decltype(width)::value),
        [](auto lanes) {
          return &forward_kernel<T, decltype(width)::value, centred, decltype(lanes)::value>;
        },
        args);
  });
}

void forward(const LayerNormForward& a) {
  visit_real(a.dtype, [&](auto tag) {
    using T = decltype(tag);
    a.centred ? forward_of<T, true>(a) : forward_of<T, false>(a);
  });
}

template <class T>
void backward_parameters(const LayerNormBackward& a, const Backward<T>& args) {
  ColumnSums sums(columns_of(a.shape), in_packs<T>(columns_of(a.shape), {a.x, a.dy}));
  sums.take(ParameterTerm<T>{args});
  launch_rows(
      Rows{a.shape.n, sums.splits(), 1},
      [](auto lanes) { return &parameters_kernel<T, decltype(lanes)::value>; }, sums.parts(),
      static_cast<T*>(a.dweight), static_cast<T*>(a.dbias));
}

void backward(const LayerNormBackward& a) {
  visit_real(a.dtype, [&](auto tag) {
    using T = decltype(tag);
    const Backward<T> args{
        static_cast<const T*>(a.x),       static_cast<const T*>(a.dy),
        static_cast<const T*>(a.weight),  a.centred ? static_cast<const T*>(a.mean) : nullptr,
        static_cast<const T*>(a.inv_std), static_cast<T*>(a.dx)};
    if (a.dx)
      visit_width<T>(a.shape, {a.x, a.dy, a.weight, a.dx}, [&](auto width) {
        launch_rows(
            rows_of(a.shape, decltype(width)::value),
            [](auto lanes) {
              return &backward_kernel<T, decltype(width)::value, decltype(lanes)::value>;
            },
            args);
      });
    if (a.dweight) backward_parameters(a, args);
  });
}

}  // namespace

LAMINA_CUDA_KERNELS(LayerNorm, layer_norm){&forward, &backward};

}  // namespace lamina::cuda

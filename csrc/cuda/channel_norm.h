// Batch, group and instance normalisation are one computation: statistics of groups of columns
// (cuda/columns.h), then an affine map of each column,
//   y = (x - m) scale + bias,  scale = weight / s,  s = sqrt(v + eps),
//   dx = scale dy + slope (x - m) + constant,
//   slope = -sum(weight dy (x - m)) / (n s^3),  constant = -sum(weight dy) / (n s),
// sums over the n elements of the group.  Batch norm has one column a group.
#pragma once

#include <math.h>

#include "cuda/column_sums.h"
#include "cuda/divide.h"
#include "kernels/moments.h"

namespace lamina::cuda {

// What a group's columns and a column's parameters are.
template <class T>
struct ChannelNorm {
  Columns columns;
  int64_t group;       // neighbouring columns that share statistics
  int64_t parameters;  // k's are those of k % parameters; null: ones and zeros
  const T *weight, *bias;

  __device__ T weight_of(int64_t k) const { return weight ? weight[k % parameters] : T(1); }
  __device__ T bias_of(int64_t k) const { return bias ? bias[k % parameters] : T(0); }
  // Where the group of column k begins.
  __device__ int64_t first_element(int64_t k) const {
    const int64_t first = k / group * group, b = first / columns.channels;
    return (b * columns.outer * columns.channels + first % columns.channels) * columns.inner;
  }
  int64_t groups() const { return columns.count() / group; }
  __host__ __device__ double elements() const {
    return static_cast<double>(group * columns.outer * columns.inner);
  }
};

// A row a group: its columns' partial sums lie together.
template <class T>
Rows group_rows(const ChannelNorm<T>& norm, int64_t splits) {
  return {norm.groups(), norm.group * splits, 1};
}

// Coefficients by column, in device memory.
template <class T>
struct Coefficients {
  T *mean, *scale, *bias, *slope, *constant;
};

template <class T>
class CoefficientMemory {
 public:
  explicit CoefficientMemory(int64_t columns)
      : columns_((columns + kPack - 1) / kPack * kPack),
        data_(static_cast<size_t>(5 * columns_) * sizeof(T)) {}

  Coefficients<T> get() const {
    T* p = data_.as<T>();
    return {p, p + columns_, p + 2 * columns_, p + 3 * columns_, p + 4 * columns_};
  }

 private:
  int64_t columns_;
  DeviceScratch data_;
};

// ---- statistics

// Sums of x - pivot and of its square; the pivot, an element of the group, keeps them from cancelling.
template <class T>
struct MomentTerm {
  ChannelNorm<T> norm;
  const T* x;

  template <int width, bool rows>
  struct Of {
    const T* x;
    double pivot[width];

    __device__ Of(const MomentTerm& term, int64_t k) : x(term.x) {
      for (int i = 0; i < width; ++i)
        pivot[i] = static_cast<double>(x[term.norm.first_element(rows ? k + i : k)]);
    }
    __device__ __forceinline__ void add(int64_t at, int64_t, Sums (&sums)[width]) const {
      const Some<T, width> v = load_some<width>(x + at);
      for (int i = 0; i < width; ++i) {
        const double d = static_cast<double>(v.v[i]) - pivot[i];
        sums[i] = {sums[i].first + d, sums[i].second + d * d};
      }
    }
  };
};

// Where statistics go: (groups); running ones and the biased variance may be null.
template <class T>
struct Statistics {
  double eps, momentum;
  T *mean, *inv_std, *var, *running_mean, *running_var;
};

template <class T>
__device__ __forceinline__ void set_affine(const ChannelNorm<T>& norm, const Coefficients<T>& to,
                                           int64_t k, T mean, T inv_std) {
  to.mean[k] = mean;
  to.scale[k] = inv_std * norm.weight_of(k);
  to.bias[k] = norm.bias_of(k);
}

template <class T>
__device__ __forceinline__ void update_running(T* running, double momentum, double value) {
  if (running)
    *running = static_cast<T>((1 - momentum) * static_cast<double>(*running) + momentum * value);
}

// What the sums of a group, of x - pivot and of its square, are added up from: those of MomentTerm,
struct SumParts {
  const Sums* parts;

  __device__ __forceinline__ Sums sums(int64_t, int64_t at, double) const { return parts[at]; }
};
// or what a convolution has left.
struct MomentParts {
  const kernels::Moment* parts;
  int64_t rows, all;  // of a part, and of all

  __device__ __forceinline__ Sums sums(int64_t part, int64_t at, double pivot) const {
    const kernels::Moment m = parts[at];
    const int64_t left = all - part * rows;
    const double n = static_cast<double>(left < rows ? left : rows), d = m.mean - pivot;
    return {n * d, m.squares + n * d * d};
  }
};

template <class T, class Parts, int lanes>
__global__ void __launch_bounds__(kRowThreads, 2)
    statistics_kernel(const Rows rows, const ChannelNorm<T> norm, const Parts parts, const T* x,
                      const Statistics<T> to, const Coefficients<T> coefficients) {
  const Row<lanes> row(rows);
  const int64_t first = row.index * norm.group;
  const double pivot = row.exists ? static_cast<double>(x[norm.first_element(first)]) : 0;
  Sums sums{0, 0};
  row.each([&](int64_t k, int64_t at) { sums = add_sums(sums, parts.sums(k, at, pivot)); });
  sums = row.reduce(sums, add_sums);
  if (!row.exists) return;
  const double count = norm.elements(), shift = sums.first / count;
  const double mean = pivot + shift;
  const double raw = sums.second / count - shift * shift, var = raw < 0 ? 0 : raw;  // NaN stays
  const T near = static_cast<T>(mean), inv_std = static_cast<T>(1 / sqrt(var + to.eps));
  for (int64_t k = first + row.first; k < first + norm.group; k += lanes)
    set_affine(norm, coefficients, k, near, inv_std);
  if (!row.leads()) return;
  to.mean[row.index] = near;
  to.inv_std[row.index] = inv_std;
  if (to.var) to.var[row.index] = static_cast<T>(var);
  update_running(to.running_mean ? to.running_mean + row.index : nullptr, to.momentum, mean);
  update_running(to.running_var ? to.running_var + row.index : nullptr, to.momentum,
                 var * count / (count - 1));
}

template <class T, class Parts>
void add_up_statistics(const ChannelNorm<T>& norm, const Parts& parts, int64_t splits, const T* x,
                       const Statistics<T>& to, const Coefficients<T>& coefficients) {
  launch_rows(
      group_rows(norm, splits),
      [](auto lanes) { return &statistics_kernel<T, Parts, decltype(lanes)::value>; }, norm, parts,
      x, to, coefficients);
}

template <class T>
void take_statistics(const ChannelNorm<T>& norm, const T* x, const Statistics<T>& to,
                     const Coefficients<T>& coefficients) {
  ColumnSums sums(norm.columns, in_packs<T>(norm.columns, {x}));
  sums.take(MomentTerm<T>{norm, x});
  add_up_statistics(norm, SumParts{sums.parts()}, sums.splits(), x, to, coefficients);
}

// y = (x - mean) scale + bias, one rounding for the last two: forward and the mask that backward
// finds again from x agree on its sign.
template <class T>
__device__ __forceinline__ T affine(T centred, T scale, T bias) {
  return fma(centred, scale, bias);
}

template <class T>
struct Normalize {
  const T *x, *residual;  // residual: may be null
  T* y;
  bool relu;
  Coefficients<T> by;

  template <int width, bool rows>
  __device__ __forceinline__ void apply(int64_t at, int64_t k) const {
    Some<T, width> v = load_some<width>(x + at), more{};
    if (residual) more = load_some<width>(residual + at);
    const auto mean = of_columns<width, rows>(by.mean, k),
               scale = of_columns<width, rows>(by.scale, k),
               bias = of_columns<width, rows>(by.bias, k);
    for (int i = 0; i < width; ++i) {
      T& e = v.v[i];
      e = affine(e - mean.v[i], scale.v[i], bias.v[i]);
      if (residual) e += more.v[i];
      if (relu && e < 0) e = 0;  // NaN stays
    }
    store_some(y + at, v);
  }
};

template <class T>
void normalize(const Columns& c, const Normalize<T>& map) {
  map_columns(c, in_packs<T>(c, {map.x, map.residual, map.y}), map);
}

// ---- gradients

// How dy comes through what followed the normalisation: a ReLU whose mask is found from x, or from
// y, where a residual was added; dresidual then gets what comes through.
template <class T>
struct Incoming {
  const T *x, *dy, *y;
  T* dresidual;
  bool relu;

  // dy of width elements, whose x - mean is `centred`.
  template <int width>
  __device__ __forceinline__ Some<T, width> at(int64_t at, const Some<T, width>& centred,
                                               const T (&scale)[width],
                                               const T (&bias)[width]) const {
    Some<T, width> g = load_some<width>(dy + at);
    if (dresidual) {
      const Some<T, width> out = load_some<width>(y + at);
      for (int i = 0; i < width; ++i)
        if (out.v[i] <= 0) g.v[i] = 0;
    } else if (relu) {
      for (int i = 0; i < width; ++i)
        if (affine(centred.v[i], scale[i], bias[i]) <= 0) g.v[i] = 0;
    }
    return g;
  }
};

// Sums of g and g (x - mean).
template <class T>
struct GradientTerm {
  ChannelNorm<T> norm;
  const T *mean, *inv_std;  // (groups)
  Incoming<T> in;

  template <int width, bool rows>
  struct Of {
    Incoming<T> in;
    T mean[width], scale[width], bias[width];

    __device__ Of(const GradientTerm& term, int64_t first) : in(term.in) {
      for (int i = 0; i < width; ++i) {
        const int64_t k = rows ? first + i : first, q = k / term.norm.group;
        mean[i] = term.mean[q];
        scale[i] = term.inv_std[q] * term.norm.weight_of(k);
        bias[i] = term.norm.bias_of(k);
      }
    }
    __device__ __forceinline__ void add(int64_t at, int64_t, Sums (&sums)[width]) const {
      Some<T, width> d = load_some<width>(in.x + at);
      for (int i = 0; i < width; ++i) d.v[i] -= mean[i];
      const Some<T, width> g = in.at(at, d, scale, bias);
      if (in.dresidual) store_some(in.dresidual + at, g);
      for (int i = 0; i < width; ++i) {
        const double e = static_cast<double>(g.v[i]);
        sums[i] = {sums[i].first + e, sums[i].second + e * static_cast<double>(d.v[i])};
      }
    }
  };
};

// The coefficients of dx.  `parts` is null where statistics are constants.
template <class T, int lanes>
__global__ void __launch_bounds__(kRowThreads)
    gradient_kernel(const Rows rows, const ChannelNorm<T> norm, const WideDivisor splits,
                    const Sums* parts, const T* means, const T* inv_stds,
                    const Coefficients<T> to) {
  const Row<lanes> row(rows);
  const int64_t first = row.index * norm.group;
  Sums sums{0, 0};
  if (parts)
    row.each([&](int64_t s, int64_t at) {
      const double weight = static_cast<double>(norm.weight_of(first + s / splits));
      sums = add_sums(sums, {weight * parts[at].first, weight * parts[at].second});
    });
  sums = row.reduce(sums, add_sums);
  if (!row.exists) return;
  const T inv_std = inv_stds[row.index];
  const double inv = static_cast<double>(inv_std), count = norm.elements();
  const T slope = static_cast<T>(-inv * inv * inv * sums.second / count),
          constant = static_cast<T>(-inv * sums.first / count);
  for (int64_t k = first + row.first; k < first + norm.group; k += lanes) {
    set_affine(norm, to, k, means[row.index], inv_std);
    to.slope[k] = slope;
    to.constant[k] = constant;
  }
}

// dweight = sum of g (x - mean) / s, dbias = sum of g, over the columns with the same parameters.
template <class T, int lanes>
__global__ void __launch_bounds__(kRowThreads)
    parameters_kernel(const Rows rows, const ChannelNorm<T> norm, int64_t splits, const Sums* parts,
                      const T* inv_stds, T* dweight, T* dbias) {
  const Row<lanes> row(rows);
  Sums sums{0, 0};
  row.each([&](int64_t s, int64_t) {
    const int64_t repeat = s / splits, k = repeat * norm.parameters + row.index;
    const Sums part = parts[k * splits + (s - repeat * splits)];
    const double inv_std = static_cast<double>(inv_stds[k / norm.group]);
    sums = add_sums(sums, {part.first, part.second * inv_std});
  });
  sums = row.reduce(sums, add_sums);
  if (!row.leads()) return;
  dbias[row.index] = static_cast<T>(sums.first);
  dweight[row.index] = static_cast<T>(sums.second);
}

template <class T>
struct InputGradient {
  Incoming<T> in;
  T* dx;
  bool batch_statistics;
  Coefficients<T> by;

  template <int width, bool rows>
  __device__ __forceinline__ void apply(int64_t at, int64_t k) const {
    const auto mean = of_columns<width, rows>(by.mean, k),
               scale = of_columns<width, rows>(by.scale, k),
               bias = of_columns<width, rows>(by.bias, k),
               slope = of_columns<width, rows>(by.slope, k),
               constant = of_columns<width, rows>(by.constant, k);
    Some<T, width> d{};
    if (batch_statistics || in.relu) {
      d = load_some<width>(in.x + at);
      for (int i = 0; i < width; ++i) d.v[i] -= mean.v[i];
    }
    Some<T, width> g = in.at(at, d, scale.v, bias.v);
    for (int i = 0; i < width; ++i) {
      g.v[i] *= scale.v[i];
      if (batch_statistics) g.v[i] += d.v[i] * slope.v[i] + constant.v[i];
    }
    store_some(dx + at, g);
  }
};

// dx may be null; so may both of the parameters' gradients.  batch_statistics: mean and inv_std,
// (groups), depend on x.
template <class T>
void channel_norm_backward(const ChannelNorm<T>& norm, Incoming<T> in, const T* mean,
                           const T* inv_std, bool batch_statistics, T* dx, T* dweight, T* dbias) {
  const Columns& c = norm.columns;
  const bool packs = in_packs<T>(c, {in.x, in.dy, in.y, in.dresidual, dx});
  ColumnSums sums(c, packs);
  if (batch_statistics || dweight || in.dresidual)
    sums.take(GradientTerm<T>{norm, mean, inv_std, in});
  if (dweight)
    launch_rows(
        Rows{norm.parameters, c.count() / norm.parameters * sums.splits(), 1},
        [](auto lanes) { return &parameters_kernel<T, decltype(lanes)::value>; }, norm,
        sums.splits(), sums.parts(), inv_std, dweight, dbias);
  if (!dx) return;
  const CoefficientMemory<T> memory(c.count());
  launch_rows(
      group_rows(norm, sums.splits()),
      [](auto lanes) { return &gradient_kernel<T, decltype(lanes)::value>; }, norm,
      WideDivisor(sums.splits()), batch_statistics ? sums.parts() : nullptr, mean, inv_std,
      memory.get());
  if (in.dresidual) in = {in.x, in.dresidual, nullptr, nullptr, false};  // masked already
  map_columns(c, packs, InputGradient<T>{in, dx, batch_statistics, memory.get()});
}

}  // namespace lamina::cuda

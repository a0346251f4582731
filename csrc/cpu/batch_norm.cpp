// Batch normalisation (Ioffe & Szegedy, arXiv 1502.03167): with mean m and biased variance v of a
// channel,
//   y = (x - m) / sqrt(v + eps) * weight + bias,
//   dx = weight / s (dy - mean(dy) - xhat mean(dy xhat)),  xhat = (x - m) / s,  s = sqrt(v + eps).
//
// Two passes forward (statistics; y = x * scale + shift) and two backward (the two sums; dx = a dy
// + b (x - m) + c), so bound by bytes: 3 reads and 1 write of the data forward, 4 and 1 backward.
// The variance comes from one pass over x - x[first], which does not cancel as x^2 would.
#include "kernels/batch_norm.h"

#include "cpu/channel_sums.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::BatchNormBackward;
using kernels::BatchNormForward;
using kernels::BatchNormShape;

template <class T>
LAMINA_INLINE Vec<T> load_lanes(const T* p, int n) {
  return n == kLanes<T> ? load(p) : load_partial(p, n);
}

template <class T>
LAMINA_INLINE void store_lanes(T* p, Vec<T> v, int n) {
  if (n == kLanes<T>)
    store(p, v);
  else
    store_partial(p, v, n);
}

// A channel's coefficient for each lane: a vector of neighbours with rows, one value with planes.
template <class T, bool rows>
LAMINA_INLINE Vec<T> per_channel(const T* values, int64_t channel, int n) {
  if constexpr (rows) return load_lanes(values + channel, n);
  return broadcast(values[channel]);
}

// Zero beyond the first n lanes: rows add each lane to its own channel, planes add all.
template <class T>
LAMINA_INLINE Vec<T> keep(Vec<T> v, int n) {
  if (n < kLanes<T>)
    for (int i = n; i < kLanes<T>; ++i) v[i] = 0;
  return v;
}

template <class T>
LAMINA_INLINE T weight_of(const void* weight, int64_t c) {
  return weight ? static_cast<const T*>(weight)[c] : T(1);
}

// y = max(0, x * scale + shift) or without max.
template <class T, bool rows>
void affine(const BatchNormForward& a, const T* scale, const T* shift) {
  const T* x = static_cast<const T*>(a.x);
  T* y = static_cast<T*>(a.y);
  for_each_channel_vector<T, rows>(a.shape, [&](int64_t at, int64_t c, int n) {
    Vec<T> v = load_lanes(x + at, n) * per_channel<T, rows>(scale, c, n) +
               per_channel<T, rows>(shift, c, n);
    if (a.relu) v = maximum(v, Vec<T>{});
    store_lanes(y + at, v, n);
  });
}

// Normalises by a.mean and a.inv_std.
template <class T, bool rows>
void normalize(const BatchNormForward& a) {
  const int64_t channels = a.shape.channels;
  Scratch memory(static_cast<size_t>(2 * channels) * sizeof(T));
  T *scale = memory.as<T>(), *shift = scale + channels;
  for (int64_t c = 0; c < channels; ++c) {
    scale[c] = static_cast<const T*>(a.inv_std)[c] * weight_of<T>(a.weight, c);
    shift[c] = (a.bias ? static_cast<const T*>(a.bias)[c] : T(0)) -
               static_cast<const T*>(a.mean)[c] * scale[c];
  }
  affine<T, rows>(a, scale, shift);
}

template <class T, bool rows>
void train_of(const BatchNormForward& a) {
  const int64_t channels = a.shape.channels;
  const double count = static_cast<double>(a.shape.outer * a.shape.inner);
  const T* x = static_cast<const T*>(a.x);
  Scratch memory(static_cast<size_t>(channels) * (2 * sizeof(double) + sizeof(T)));
  double* sums = memory.as<double>();
  T* pivot = reinterpret_cast<T*>(sums + 2 * channels);
  for (int64_t c = 0; c < channels; ++c) pivot[c] = x[c * a.shape.inner];
  channel_sums<T, rows>(
      a.shape,
      [&](int64_t at, int64_t c, int n) -> Terms<T> {
        const Vec<T> d = keep<T>(load_lanes(x + at, n) - per_channel<T, rows>(pivot, c, n), n);
        return {d, d * d};
      },
      sums);
  T *mean = static_cast<T*>(a.mean), *inv_std = static_cast<T*>(a.inv_std);
  T *running_mean = static_cast<T*>(a.running_mean), *running_var = static_cast<T*>(a.running_var);
  for (int64_t c = 0; c < channels; ++c) {
    const double shift = sums[c] / count;
    double var = sums[channels + c] / count - shift * shift;
    var = var < 0 ? 0 : var;  // a NaN stays
    const double m = static_cast<double>(pivot[c]) + shift;
    mean[c] = static_cast<T>(m);
    inv_std[c] = static_cast<T>(1 / __builtin_sqrt(var + a.eps));
    if (running_mean)
      running_mean[c] += static_cast<T>(a.momentum * (m - static_cast<double>(running_mean[c])));
    if (running_var) {
      const double unbiased = var * count / (count - 1);
      running_var[c] +=
          static_cast<T>(a.momentum * (unbiased - static_cast<double>(running_var[c])));
    }
  }
  normalize<T, rows>(a);
}

template <class T, bool rows>
void eval_of(const BatchNormForward& a) {
  for (int64_t c = 0; c < a.shape.channels; ++c) {
    static_cast<T*>(a.mean)[c] = static_cast<const T*>(a.running_mean)[c];
    static_cast<T*>(a.inv_std)[c] = static_cast<T>(
        1 / __builtin_sqrt(static_cast<double>(static_cast<const T*>(a.running_var)[c]) + a.eps));
  }
  normalize<T, rows>(a);
}

template <class T, bool rows>
void backward_of(const BatchNormBackward& a) {
  const int64_t channels = a.shape.channels;
  const double count = static_cast<double>(a.shape.outer * a.shape.inner);
  const T *x = static_cast<const T*>(a.x), *y = static_cast<const T*>(a.y),
          *dy = static_cast<const T*>(a.dy);
  const T *mean = static_cast<const T*>(a.mean), *inv_std = static_cast<const T*>(a.inv_std);
  const auto gradient = [&](int64_t at, int n) {
    const Vec<T> g = load_lanes(dy + at, n);
    return a.relu ? select(load_lanes(y + at, n) > Vec<T>{}, g, Vec<T>{}) : g;
  };
  Scratch memory(static_cast<size_t>(channels) * (2 * sizeof(double) + 3 * sizeof(T)));
  double* sums = memory.as<double>();  // of dy, and of dy (x - mean)
  T *of_dy = reinterpret_cast<T*>(sums + 2 * channels), *of_x = of_dy + channels,
    *constant = of_x + channels;
  channel_sums<T, rows>(
      a.shape,
      [&](int64_t at, int64_t c, int n) -> Terms<T> {
        const Vec<T> g = keep<T>(gradient(at, n), n);
        return {g, g * keep<T>(load_lanes(x + at, n) - per_channel<T, rows>(mean, c, n), n)};
      },
      sums);
  for (int64_t c = 0; c < channels; ++c) {
    const double s = static_cast<double>(inv_std[c]),
                 scale = s * static_cast<double>(weight_of<T>(a.weight, c));
    if (a.dbias) static_cast<T*>(a.dbias)[c] = static_cast<T>(sums[c]);
    if (a.dweight) static_cast<T*>(a.dweight)[c] = static_cast<T>(sums[channels + c] * s);
    of_dy[c] = static_cast<T>(scale);
    of_x[c] =
        a.batch_statistics ? static_cast<T>(-scale * s * s * sums[channels + c] / count) : T(0);
    constant[c] = a.batch_statistics ? static_cast<T>(-scale * sums[c] / count) : T(0);
  }
  if (!a.dx) return;
  T* dx = static_cast<T*>(a.dx);
  for_each_channel_vector<T, rows>(a.shape, [&](int64_t at, int64_t c, int n) {
    Vec<T> g = gradient(at, n) * per_channel<T, rows>(of_dy, c, n);
    if (a.batch_statistics)
      g += (load_lanes(x + at, n) - per_channel<T, rows>(mean, c, n)) *
               per_channel<T, rows>(of_x, c, n) +
           per_channel<T, rows>(constant, c, n);
    store_lanes(dx + at, g, n);
  });
}

// f.operator()<T, rows>() for the dtype and the layout.
template <class F>
LAMINA_INLINE void visit_layout(DType dtype, const BatchNormShape& shape, const F& f) {
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    if (shape.inner == 1)
      f.template operator()<T, true>();
    else
      f.template operator()<T, false>();
  });
}

void train(const BatchNormForward& args) {
  visit_layout(args.dtype, args.shape, [&]<class T, bool rows>() { train_of<T, rows>(args); });
}

void eval(const BatchNormForward& args) {
  visit_layout(args.dtype, args.shape, [&]<class T, bool rows>() { eval_of<T, rows>(args); });
}

void backward(const BatchNormBackward& args) {
  visit_layout(args.dtype, args.shape, [&]<class T, bool rows>() { backward_of<T, rows>(args); });
}

}  // namespace

LAMINA_CPU_KERNELS(BatchNorm, batch_norm){&train, &eval, &backward};

}  // namespace lamina::cpu::LAMINA_ISA

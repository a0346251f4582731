// Group normalisation (Wu & He, arXiv 1803.08494) over the channels of a group and all positions of an image, and
// instance normalisation (Ulyanov et al., arXiv 1607.08022), the same with one channel a group:
//   y = (x - m) / s * weight + bias,  s = sqrt(v + eps),
//   dx = 1 / s (g - mean(g) - xhat mean(g xhat)),  g = dy weight,  xhat = (x - m) / s.
//
// A unit of work is a run of whole groups of one image: summed, then normalised while it lies in the cache.  It is one
// group with planes, and some 64 channels of each position with channels-last memory.  Two sweeps forward (statistics;
// y) and two backward (a channel's sums of dy and dy (x - m); dx), of which units up to the L2 cache read memory once.
// Bound by bytes; units are also all the parallelism there is.
#include "kernels/group_norm.h"

#include "cpu/channel_sums.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::GroupNormBackward;
using kernels::GroupNormForward;
using kernels::GroupNormShape;

constexpr int64_t kUnitChannels = 64;  // four cache lines of each position

// Channels [first, last) of an image, all of them in whole groups.
struct Unit {
  int64_t image, first, last;
};

LAMINA_INLINE int64_t all_channels(const GroupNormShape& s) { return s.groups * s.channels; }

// Channels a unit: with rows as many whole groups as make whole vectors, so that no two units share one.
template <class T, bool kRows>
LAMINA_INLINE int64_t unit_channels(const GroupNormShape& s) {
  if (!kRows) return s.channels;
  int64_t step = s.channels;
  while (step % kLanes<T>) step += s.channels;
  const int64_t want = (kUnitChannels + step - 1) / step * step, all = all_channels(s);
  return want < all ? want : all;
}

template <class T, bool kRows, class Body>
LAMINA_INLINE void for_each_unit(const GroupNormShape& s, const Body& body) {
  const int64_t all = all_channels(s), step = unit_channels<T, kRows>(s),
                units = (all + step - 1) / step;
  parallel_for(s.images * units, 1 + kChunkElements / 2 / (step * s.inner),
               [&](int64_t begin, int64_t end) {
                 for (int64_t u = begin; u < end; ++u) {
                   const int64_t first = u % units * step;
                   body(Unit{u / units, first, first + step < all ? first + step : all});
                 }
               });
}

// body(channel)(offset, n) over a unit, a vector at a time, of which the first n may be read and written.  A vector may
// run on past its row or plane, where the same unit overwrites what it writes.
template <class T, bool kRows, class Body>
LAMINA_INLINE void for_each_vector_of(const GroupNormShape& s, const Unit& u, const Body& body) {
  const int64_t all = all_channels(s), image = u.image * all * s.inner;
  if constexpr (kRows) {
    const bool whole = u.last - u.first == all;
    for (int64_t row = image; row < image + all * s.inner; row += all)
      for_each_vector<T>(u.first, u.last, whole ? image + all * s.inner - row : u.last,
                         [&](int64_t c, int n) { body(c)(row + c, n); });
  } else {
    const int64_t end = u.last * s.inner;
    for (int64_t c = u.first; c < u.last; ++c) {
      const auto one = body(c);
      for_each_vector<T>(c * s.inner, (c + 1) * s.inner, end,
                         [&](int64_t i, int n) { one(image + i, n); });
    }
  }
}

// Each channel's two sums over a unit, to sums (2, all channels).  `values` and `others` are asked for ahead.
template <class T, bool kRows, class Term>
LAMINA_INLINE void sum_unit(const GroupNormShape& s, const Unit& u, const T* values,
                            const T* others, const Term& term, double* sums) {
  const int64_t all = all_channels(s), image = u.image * all * s.inner;
  const auto ahead = [&](int64_t at) {
    __builtin_prefetch(values + at);
    __builtin_prefetch(others + at);
  };
  if constexpr (kRows) {
    sum_rows<T>(
        BatchNormShape{s.inner, all, 1}, 0, s.inner, u.first, u.last,
        [&](int64_t at) { ahead(image + at); },
        [&](int64_t c) {
          return
              [image, of = term(c)](int64_t at, int n, int own) { return of(image + at, n, own); };
        },
        sums);
  } else {
    for (int64_t c = u.first; c < u.last; ++c)
      sum_planes<T>(BatchNormShape{s.images, all, s.inner}, u.image, u.image + 1, c, ahead, term,
                    sums);
  }
}

// The moments of the groups of a unit, to moments[group].
template <class T, bool kRows>
LAMINA_INLINE void unit_moments(const GroupNormForward& a, const Unit& u, Moments* moments) {
  const GroupNormShape& s = a.shape;
  const int64_t all = all_channels(s), image = u.image * all * s.inner, D = s.channels;
  const T* x = static_cast<const T*>(a.x);
  if constexpr (!kRows) {
    const int64_t at = image + u.first * s.inner;
    moments[u.first / D] = row_moments(x + at, D * s.inner, s.images * all * s.inner - at);
    return;
  }
  // About the first position's values, so that nothing cancels; then the channels of a group are joined.
  const Coefficients<T, 1> pivot(all);
  for (int64_t c = u.first; c < u.last; ++c) pivot.of[0][c] = x[image + c];
  const Scratch memory(2 * all * sizeof(double));
  double* sum = memory.as<double>();
  sum_unit<T, true>(
      s, u, x, x,
      [&](int64_t c) {
        return [x, about = of_channel<true>(pivot.of[0], c)](int64_t at, int n, int) -> Terms<T> {
          const Vec<T> d = load_lanes(x + at, n) - about;
          return {d, d * d};
        };
      },
      sum);
  const double count = static_cast<double>(s.inner);
  for (int64_t g = u.first / D; g < u.last / D; ++g) {
    double mean = 0, squares = 0;
    for (int64_t c = g * D; c < (g + 1) * D; ++c) {
      const double shift = sum[c] / count;
      squares += sum[all + c] - sum[c] * shift;
      mean += sum[c] = static_cast<double>(pivot.of[0][c]) + shift;  // the channel's mean
    }
    mean /= static_cast<double>(D);
    for (int64_t c = g * D; c < (g + 1) * D; ++c)
      squares += count * (sum[c] - mean) * (sum[c] - mean);
    moments[g] = {mean, squares};
  }
}

template <class T, bool kRows>
void forward_of(const GroupNormForward& a) {
  const GroupNormShape& s = a.shape;
  const int64_t all = all_channels(s), D = s.channels;
  const T* x = static_cast<const T*>(a.x);
  T* y = static_cast<T*>(a.y);
  for_each_unit<T, kRows>(s, [&](const Unit& u) {
    const Scratch memory(s.groups * sizeof(Moments));
    Moments* moments = memory.as<Moments>();
    unit_moments<T, kRows>(a, u, moments);
    const Coefficients<T, 3> by(all);  // mean, scale, bias
    for (int64_t c = u.first; c < u.last; ++c) {
      const int64_t g = c / D, at = u.image * s.groups + g;
      if (c % D == 0) {
        const double var = variance(moments[g], static_cast<double>(D * s.inner));
        static_cast<T*>(a.mean)[at] = static_cast<T>(moments[g].mean);
        static_cast<T*>(a.inv_std)[at] = static_cast<T>(1 / __builtin_sqrt(var + a.eps));
        if (a.var) static_cast<T*>(a.var)[at] = static_cast<T>(var);
      }
      by.of[0][c] = static_cast<T*>(a.mean)[at];
      by.of[1][c] = static_cast<T*>(a.inv_std)[at] * channel_or(a.weight, c, T(1));
      by.of[2][c] = channel_or(a.bias, c, T(0));
    }
    for_each_vector_of<T, kRows>(s, u, [&](int64_t c) {
      return [x, y, mean = of_channel<kRows>(by.of[0], c), scale = of_channel<kRows>(by.of[1], c),
              bias = of_channel<kRows>(by.of[2], c)](int64_t at, int n) {
        store_lanes(y + at, (load_lanes(x + at, n) - mean) * scale + bias, n);
      };
    });
  });
}

// dx = scale dy + slope (x - mean) + constant.  sums: each image's (2, all channels), of dy and of dy (x - mean).
template <class T, bool kRows>
void backward_unit(const GroupNormBackward& a, const Unit& u, double* sums) {
  const GroupNormShape& s = a.shape;
  const int64_t all = all_channels(s), D = s.channels;
  const T *x = static_cast<const T*>(a.x), *dy = static_cast<const T*>(a.dy);
  const Coefficients<T, 4> by(all);  // mean, scale, slope, constant
  for (int64_t c = u.first; c < u.last; ++c)
    by.of[0][c] = static_cast<const T*>(a.mean)[u.image * s.groups + c / D];
  sum_unit<T, kRows>(
      s, u, x, dy,
      [&](int64_t c) {
        return [x, dy, mean = of_channel<kRows>(by.of[0], c)](int64_t at, int n, int) -> Terms<T> {
          const Vec<T> g = load_lanes(dy + at, n);
          return {g, g * (load_lanes(x + at, n) - mean)};
        };
      },
      sums);
  if (!a.dx) return;
  for (int64_t group = u.first / D; group < u.last / D; ++group) {
    const T inv_std = static_cast<const T*>(a.inv_std)[u.image * s.groups + group];
    const double inv = static_cast<double>(inv_std), count = static_cast<double>(D * s.inner);
    double first = 0, second = 0;
    for (int64_t c = group * D; c < (group + 1) * D; ++c) {
      const T weight = channel_or(a.weight, c, T(1));
      by.of[1][c] = inv_std * weight;
      first += static_cast<double>(weight) * sums[c];
      second += static_cast<double>(weight) * sums[all + c];
    }
    for (int64_t c = group * D; c < (group + 1) * D; ++c) {
      by.of[2][c] = static_cast<T>(-inv * inv * inv * second / count);
      by.of[3][c] = static_cast<T>(-inv * first / count);
    }
  }
  T* dx = static_cast<T*>(a.dx);
  for_each_vector_of<T, kRows>(s, u, [&](int64_t c) {
    return [x, dy, dx, mean = of_channel<kRows>(by.of[0], c),
            scale = of_channel<kRows>(by.of[1], c), slope = of_channel<kRows>(by.of[2], c),
            constant = of_channel<kRows>(by.of[3], c)](int64_t at, int n) {
      const Vec<T> rest = (load_lanes(x + at, n) - mean) * slope + constant;
      store_lanes(dx + at, load_lanes(dy + at, n) * scale + rest, n);
    };
  });
}

// dweight and dbias from the channels' sums (images, 2, all channels), added up over images in `totals`.
template <class T>
void sum_images(const GroupNormBackward& a, const double* sums, double* totals) {
  const GroupNormShape& s = a.shape;
  const int64_t all = all_channels(s), D = s.channels;
  const T* inv_std = static_cast<const T*>(a.inv_std);
  for (int64_t i = 0; i < 2 * all; ++i) totals[i] = 0;
  for (int64_t image = 0; image < s.images; ++image, sums += 2 * all)
    for (int64_t group = 0; group < s.groups; ++group) {
      const double inv = static_cast<double>(inv_std[image * s.groups + group]);
      for (int64_t c = group * D; c < (group + 1) * D; ++c) {
        totals[c] += sums[c];
        totals[all + c] += sums[all + c] * inv;
      }
    }
  for (int64_t c = 0; c < all; ++c) {
    static_cast<T*>(a.dbias)[c] = static_cast<T>(totals[c]);
    static_cast<T*>(a.dweight)[c] = static_cast<T>(totals[all + c]);
  }
}

template <class T, bool kRows>
void backward_of(const GroupNormBackward& a) {
  const GroupNormShape& s = a.shape;
  const int64_t all = all_channels(s);
  const Scratch memory((s.images + 1) * 2 * all * sizeof(double));
  double* sums = memory.as<double>();  // (images, 2, all channels)
  for_each_unit<T, kRows>(
      s, [&](const Unit& u) { backward_unit<T, kRows>(a, u, sums + u.image * 2 * all); });
  if (a.dweight) sum_images<T>(a, sums, sums + s.images * 2 * all);
}

void forward(const GroupNormForward& a) {
  visit_real(a.dtype, [&](auto tag) {
    using T = decltype(tag);
    a.shape.channels_last ? forward_of<T, true>(a) : forward_of<T, false>(a);
  });
}

void backward(const GroupNormBackward& a) {
  visit_real(a.dtype, [&](auto tag) {
    using T = decltype(tag);
    a.shape.channels_last ? backward_of<T, true>(a) : backward_of<T, false>(a);
  });
}

}  // namespace

LAMINA_CPU_KERNELS(GroupNorm, group_norm){&forward, &backward};

}  // namespace lamina::cpu::LAMINA_ISA

#include "ops/interpolate_taps.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace lamina::ops {
namespace {

using List = std::vector<std::pair<int64_t, double>>;  // index, weight

Taps pack(int64_t in, const std::vector<List>& lists) {
  Taps t{in, static_cast<int64_t>(lists.size()), 1, {}, {}, {}};
  for (const List& list : lists) t.taps = std::max(t.taps, static_cast<int>(list.size()));
  for (const List& list : lists) {
    t.count.push_back(static_cast<int32_t>(list.size()));
    for (size_t k = 0; k < static_cast<size_t>(t.taps); ++k) {
      t.index.push_back(k < list.size() ? static_cast<int32_t>(list[k].first) : 0);
      t.weight.push_back(k < list.size() ? list[k].second : 0.0);
    }
  }
  return t;
}

// Keys' convolution kernel (IEEE ASSP 29, 1981): a = -3/4 as in torch, -1/2 where it antialiases.
template <class T>
T cubic(T x, T a) {
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((x - 5) * x + 8) * x * a - 4 * a : T(0);
}

template <class T>
T triangle(T x) {
  return std::max(T(0), 1 - std::abs(x));
}

template <class T>
class Positions {
 public:
  Positions(int64_t in, int64_t out, double scale, const InterpolateOptions& options)
      : in_(in), out_(out), options_(options) {
    if (options.align_corners)
      ratio_ = out > 1 ? static_cast<T>(in - 1) / static_cast<T>(out - 1) : T(0);
    else
      ratio_ = scale > 0 ? static_cast<T>(1 / scale) : static_cast<T>(in) / static_cast<T>(out);
  }

  List taps(int64_t o) const {
    if (options_.mode == Interpolation::area) return area(o);
    if (options_.antialias) return filtered(o);
    switch (options_.mode) {
      case Interpolation::nearest:
        return {{nearest(static_cast<T>(o) * ratio_), 1.0}};
      case Interpolation::nearest_exact:
        return {{nearest((static_cast<T>(o) + T(0.5)) * ratio_), 1.0}};
      case Interpolation::linear:
        return linear(o);
      default:
        return cubic_taps(o);
    }
  }

 private:
  int64_t nearest(T at) const {
    return std::min(static_cast<int64_t>(std::floor(static_cast<float>(at))), in_ - 1);
  }

  // Where the middle of output o lies among the inputs' middles.
  T source(int64_t o) const {
    return options_.align_corners ? ratio_ * static_cast<T>(o)
                                  : ratio_ * (static_cast<T>(o) + T(0.5)) - T(0.5);
  }

  List linear(int64_t o) const {
    if (in_ == out_) return {{o, 1.0}};
    const T at = std::max(source(o), T(0));
    const int64_t low = std::min(static_cast<int64_t>(at), in_ - 1);
    const T share = std::clamp(at - static_cast<T>(low), T(0), T(1));
    return {{low, 1 - share}, {std::min(low + 1, in_ - 1), share}};
  }

  List cubic_taps(int64_t o) const {
    const T at = source(o);
    const int64_t low = std::min(static_cast<int64_t>(std::floor(at)), in_ - 1);
    const T share = std::clamp(at - static_cast<T>(low), T(0), T(1));
    List list;
    for (int k = -1; k <= 2; ++k)
      list.push_back({std::clamp<int64_t>(low + k, 0, in_ - 1),
                      cubic<T>(share - static_cast<T>(k), T(-0.75))});
    return list;
  }

  // As adaptive average pooling.
  List area(int64_t o) const {
    const int64_t first = o * in_ / out_, end = ((o + 1) * in_ + out_ - 1) / out_;
    List list;
    for (int64_t i = first; i < end; ++i)
      list.push_back({i, 1.0 / static_cast<double>(end - first)});
    return list;
  }

  // The filter as wide as an output is among the inputs, so that downsampling averages.
  List filtered(int64_t o) const {
    const bool is_cubic = options_.mode == Interpolation::cubic;
    const T radius = is_cubic ? 2 : 1, spread = std::max(ratio_, T(1)), reach = radius * spread;
    const T middle = ratio_ * (static_cast<T>(o) + T(0.5));
    const int64_t first = std::max<int64_t>(static_cast<int64_t>(middle - reach + T(0.5)), 0);
    const int64_t end = std::min(static_cast<int64_t>(middle + reach + T(0.5)), in_);
    List list;
    T total = 0;
    for (int64_t i = first; i < end; ++i) {
      const T x = (static_cast<T>(i) - middle + T(0.5)) / spread;
      const T w = is_cubic ? cubic<T>(x, T(-0.5)) : triangle<T>(x);
      list.push_back({i, w});
      total += w;
    }
    if (total != 0)
      for (auto& tap : list) tap.second /= static_cast<double>(total);
    return list;
  }

  int64_t in_, out_;
  InterpolateOptions options_;
  T ratio_;  // inputs an output
};

}  // namespace

template <class T>
Taps make_taps(int64_t in, int64_t out, double scale, const InterpolateOptions& options) {
  const Positions<T> positions(in, out, scale, options);
  std::vector<List> lists;
  for (int64_t o = 0; o < out; ++o) lists.push_back(positions.taps(o));
  return pack(in, lists);
}

template Taps make_taps<float>(int64_t, int64_t, double, const InterpolateOptions&);
template Taps make_taps<double>(int64_t, int64_t, double, const InterpolateOptions&);

Taps transposed(const Taps& taps) {
  std::vector<List> lists(static_cast<size_t>(taps.in));
  for (int64_t o = 0; o < taps.out; ++o)
    for (int k = 0; k < taps.count[static_cast<size_t>(o)]; ++k) {
      const auto at = static_cast<size_t>(o * taps.taps + k);
      lists[static_cast<size_t>(taps.index[at])].push_back({o, taps.weight[at]});
    }
  return pack(taps.out, lists);
}

}  // namespace lamina::ops

#include "ops/random.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/check.h"
#include "kernels/random.h"
#include "kernels/registry.h"
#include "ops/elementwise.h"

namespace lamina::ops {
namespace {

// Runs call(kernels, fill) on `dst`, or on row-major memory that is then copied to it.
template <class Call>
void fill_with(const Array& dst, PhiloxKey key, const char* op, Call call) {
  begin_write(dst, op);
  const int64_t n = dst.numel();
  if (n == 0) return;
  const Array target =
      dst.is_contiguous() ? dst : Array::empty(dst.shape(), dst.dtype(), dst.device(), op);
  call(kernels::on<kernels::Random>(dst.device()),
       kernels::Fill{key, n, target.raw(), dst.dtype()});
  if (!dst.is_contiguous()) copy_to(dst, target);
}

void check_floating(const Array& dst, const char* op) {
  check<TypeError>(is_floating(dst.dtype()), "[", op, "] expected a floating dtype, got ",
                   name(dst.dtype()));
}

// The largest value of the dtype below x.
double before(double x, DType dtype) {
  switch (dtype) {
    case DType::float64:
      return std::nextafter(x, -std::numeric_limits<double>::infinity());
    case DType::float32:
      return std::nextafter(static_cast<float>(x), -std::numeric_limits<float>::infinity());
    default:
      break;
  }
  // 16 bits: magnitudes order as their bits do.
  const auto step = [](auto half) {
    if ((half.bits & 0x7fff) == 0) {
      half.bits = 0x8001;
    } else {
      half.bits += half.bits & 0x8000 ? 1 : -1;
    }
    return static_cast<double>(static_cast<float>(half));
  };
  return dtype == DType::float16 ? step(float16(static_cast<float>(x)))
                                 : step(bfloat16(static_cast<float>(x)));
}

double largest(DType dtype) {
  switch (dtype) {
    case DType::float64:
      return std::numeric_limits<double>::max();
    case DType::bfloat16:
      return 0x1.fep127;
    case DType::float16:
      return 65504;
    default:
      return std::numeric_limits<float>::max();
  }
}

struct Range {
  int64_t least, most;
};

// The integers that a dtype holds, all of them in between too.
Range integers_of(DType dtype) {
  return visit(dtype, [](auto tag) -> Range {
    using T = decltype(tag);
    if constexpr (std::is_integral_v<T>) {
      return {static_cast<int64_t>(std::numeric_limits<T>::min()),
              static_cast<int64_t>(std::numeric_limits<T>::max())};
    } else {
      constexpr int digits = std::is_same_v<T, double>    ? 53
                             : std::is_same_v<T, float>   ? 24
                             : std::is_same_v<T, float16> ? 11
                                                          : 8;
      return {-(int64_t{1} << digits), int64_t{1} << digits};
    }
  });
}

}  // namespace

void uniform(const Array& dst, double low, double high, PhiloxKey key) {
  check_floating(dst, "uniform_");
  const double most = largest(dst.dtype());
  check(std::abs(low) <= most && std::abs(high) <= most && low <= high && high - low <= most,
        "[uniform_] expected finite from <= to whose distance ", name(dst.dtype()),
        " can hold, got from=", low, ", to=", high);
  const double last = low < high ? std::max(low, before(high, dst.dtype())) : low;
  fill_with(dst, key, "uniform_",
            [&](const auto& kernels, const auto& fill) { kernels.uniform(fill, low, high, last); });
}

void normal(const Array& dst, double mean, double std, PhiloxKey key) {
  check_floating(dst, "normal_");
  check(std >= 0, "[normal_] expected std >= 0, got ", std);
  fill_with(dst, key, "normal_",
            [&](const auto& kernels, const auto& fill) { kernels.normal(fill, mean, std); });
}

void exponential(const Array& dst, double rate, PhiloxKey key) {
  check_floating(dst, "exponential_");
  check(rate > 0, "[exponential_] expected lambd > 0, got ", rate);
  fill_with(dst, key, "exponential_",
            [&](const auto& kernels, const auto& fill) { kernels.exponential(fill, rate); });
}

void integers(const Array& dst, int64_t low, int64_t high, PhiloxKey key) {
  check(low < high, "[randint] expected low < high, got low=", low, ", high=", high);
  const Range range = integers_of(dst.dtype());
  check(low >= range.least && high - 1 <= range.most, "[randint] expected ", range.least,
        " <= low and high - 1 <= ", range.most, " for dtype ", name(dst.dtype()), ", got low=", low,
        ", high=", high);
  fill_with(dst, key, "randint", [&](const auto& kernels, const auto& fill) {
    kernels.integers(fill, low, static_cast<uint64_t>(high) - static_cast<uint64_t>(low));
  });
}

void bernoulli(const Array& dst, double p, PhiloxKey key) {
  check(p >= 0 && p <= 1, "[bernoulli_] expected 0 <= p <= 1, got ", p);
  fill_with(dst, key, "bernoulli_",
            [&](const auto& kernels, const auto& fill) { kernels.bernoulli(fill, p); });
}

}  // namespace lamina::ops

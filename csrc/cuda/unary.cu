// Elementwise functions of one operand.
//
// Bound by bytes: 8 an element of packed float32, 4 of 16-bit floats, 5 where the result is a bool;
// 1e8 elements take at least 0.19, 0.09 and 0.12 ms at the 4.3 TB/s that an H200 copies.  float64's
// transcendental functions are bound by arithmetic.  Compiled and emulated, not yet run on a
// device.
#include "cuda/activation_math.h"
#include "cuda/maps.h"
#include "cuda/special_math.h"

namespace lamina::cuda {
namespace {

using kernels::Unary;

template <Unary op, class T>
struct Real {
  static __device__ __forceinline__ T apply(const double* p, T x) {
    switch (op) {
      case Unary::neg:
        return -x;
      case Unary::abs:
        return fabs(x);
      case Unary::sign:  // of NaN 0, as in torch
        return static_cast<T>((x > 0) - (x < 0));
      case Unary::square:
        return x * x;
      case Unary::relu:
        return x < 0 ? T(0) : x;
      case Unary::floor:
        return floor(x);
      case Unary::ceil:
        return ceil(x);
      case Unary::round:
        return rint(x);
      case Unary::trunc:
        return trunc(x);
      case Unary::frac:
        return x - trunc(x);
      case Unary::sqrt:
        return sqrt(x);
      case Unary::rsqrt:
        return 1 / sqrt(x);
      case Unary::reciprocal:
        return 1 / x;
      case Unary::exp:
        return exp(x);
      case Unary::exp2:
        return exp2(x);
      case Unary::expm1:
        return expm1(x);
      case Unary::log:
        return log(x);
      case Unary::log2:
        return log2(x);
      case Unary::log10:
        return log10(x);
      case Unary::log1p:
        return log1p(x);
      case Unary::sin:
        return sin(x);
      case Unary::cos:
        return cos(x);
      case Unary::tan:
        return tan(x);
      case Unary::asin:
        return asin(x);
      case Unary::acos:
        return acos(x);
      case Unary::atan:
        return atan(x);
      case Unary::sinh:
        return sinh(x);
      case Unary::cosh:
        return cosh(x);
      case Unary::tanh:
        return tanh(x);
      case Unary::sigmoid:
        return math::sigmoid(x);
      case Unary::erf:
        return erf(x);
      case Unary::erfc:
        return erfc(x);
      case Unary::lgamma:
        return lgamma(x);
      case Unary::digamma:
        return static_cast<T>(special::digamma(x));
      case Unary::erfinv:
        return static_cast<T>(special::erfinv(x));
      case Unary::acosh:
        return acosh(x);
      case Unary::asinh:
        return asinh(x);
      case Unary::atanh:
        return atanh(x);
      case Unary::polygamma:
        return static_cast<T>(special::polygamma(static_cast<int>(p[0]), x));
      case Unary::power:
        return p[0] == 3 ? x * x * x : p[0] == -2 ? 1 / (x * x) : pow(x, static_cast<T>(p[0]));
      case Unary::nan_to_num: {
        const T inf = static_cast<T>(INFINITY);
        const T y = x == inf ? static_cast<T>(p[1]) : x == -inf ? static_cast<T>(p[2]) : x;
        return x == x ? y : static_cast<T>(p[0]);
      }
      case Unary::round_to: {
        const T power = static_cast<T>(p[0]);
        return p[1] != 0 ? rint(x / power) * power : rint(x * power) / power;
      }
      case Unary::leaky_relu:
        return x > 0 ? x : x * static_cast<T>(p[0]);
      case Unary::elu:
        return x > 0 ? x : expm1(x) * static_cast<T>(p[0]);
      case Unary::gelu:
        return math::gelu(x);
      case Unary::gelu_tanh:
        return math::gelu_tanh(x);
      case Unary::silu:
        return x / (1 + exp(-x));
      case Unary::softplus:
        return math::softplus(x, static_cast<T>(p[0]), static_cast<T>(p[1]));
      case Unary::clamp:
        return math::minimum(math::maximum(x, static_cast<T>(p[0])), static_cast<T>(p[1]));
      case Unary::selu:
        return x > 0 ? x * T(math::kSeluScale) : expm1(x) * T(math::kSeluScale * math::kSeluAlpha);
      case Unary::celu:
        return x > 0 ? x : expm1(x / static_cast<T>(p[0])) * static_cast<T>(p[0]);
      case Unary::log_sigmoid:
        return math::minimum(x, T(0)) - log1p(exp(-fabs(x)));
      case Unary::mish:
        return math::mish(x);
      case Unary::hardsigmoid:
        return math::hardsigmoid(x);
      case Unary::hardswish:
        return x * math::hardsigmoid(x);
      case Unary::softshrink: {
        const T lambda = static_cast<T>(p[0]);
        return x > lambda ? x - lambda : x < -lambda ? x + lambda : x * 0;
      }
      case Unary::hardshrink: {
        const T lambda = static_cast<T>(p[0]);
        return x >= -lambda && x <= lambda ? T(0) : x;
      }
      case Unary::threshold:
        return x <= static_cast<T>(p[0]) ? static_cast<T>(p[1]) : x;
      default:
        return x;  // tests, and ops of integers: not of this table
    }
  }
};

template <Unary op, class T>
struct Integer {
  static __device__ __forceinline__ T apply(const double*, T x) {
    using U = std::make_unsigned_t<T>;
    switch (op) {
      case Unary::neg:
        return static_cast<T>(-static_cast<U>(x));
      case Unary::abs:
        return x < 0 ? static_cast<T>(-static_cast<U>(x)) : x;
      case Unary::sign:
        return static_cast<T>((x > 0) - (x < 0));
      case Unary::square:
        return static_cast<T>(static_cast<U>(x) * static_cast<U>(x));
      case Unary::bitwise_not:
        return ~x;
      default:
        return x > 0 ? x : T(0);  // relu
    }
  }
};

template <Unary op, class T>
struct Test {
  static __device__ __forceinline__ bool apply(const double*, T x) {
    switch (op) {
      case Unary::isnan:
        return x != x;
      case Unary::isinf:
        return x - x != 0 && x == x;
      default:
        return x - x == 0;  // isfinite
    }
  }
};

struct Not {
  static __device__ __forceinline__ bool apply(const double*, bool x) { return !x; }
};

template <class T>
MapKernel<2> real(Unary op) {
  return pick<Unary::neg, Unary::threshold>(
      op, [](auto o) { return &map_kernel<Real<decltype(o)::value, T>, T, T>; });
}

template <class T>
MapKernel<2> integer(Unary op) {
  return pick<Unary::neg, Unary::relu>(
      op, [](auto o) { return &map_kernel<Integer<decltype(o)::value, T>, T, T>; });
}

template <class T>
MapKernel<2> test(Unary op) {
  return pick<Unary::isnan, Unary::isfinite>(
      op, [](auto o) { return &map_kernel<Test<decltype(o)::value, T>, bool, T>; });
}

}  // namespace

Map<2> unary_map(Unary op, DType compute) {
  const bool wide = compute == DType::float64;
  if (op == Unary::logical_not)
    return {&map_kernel<Not, bool, bool>, {DType::boolean, DType::boolean}};
  if (op >= Unary::isnan && op <= Unary::isfinite)
    return {wide ? test<double>(op) : test<float>(op), {DType::boolean, compute}};
  const MapKernel<2> kernel = wide                        ? real<double>(op)
                              : compute == DType::float32 ? real<float>(op)
                              : compute == DType::int64   ? integer<int64_t>(op)
                                                          : integer<int32_t>(op);
  return {kernel, {compute, compute}};
}

}  // namespace lamina::cuda

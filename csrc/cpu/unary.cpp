// Elementwise functions of one operand.
#include "cpu/activation_math.h"
#include "cpu/angle_math.h"
#include "cpu/rowops.h"
#include "cpu/scalar_math.h"
#include "cpu/single_math.h"
#include "cpu/special_math.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::Unary;
using P = const double*;

template <class T, class F>
RowMap vec(F f) {
  return vectors<T, 1>(f);
}

template <class T, class F>
RowMap one(F f) {
  return scalars<T, T, 1>(f);
}

// sin, cos and tan reduce their argument in double up to math::kMaxAngle; a block with a larger or
// non-finite argument goes to the C library.
template <class T, class Near, class Far>
RowMap angles(Near, Far) {
  return [](char* const* data, int64_t n, P) {
    constexpr int64_t kBlock = 128, L = kLanes<double>;
    const Near near{};
    const Far beyond{};
    for (int64_t begin = 0; begin < n; begin += kBlock) {
      const int64_t m = n - begin < kBlock ? n - begin : kBlock;
      const T* x = reinterpret_cast<const T*>(data[1]) + begin;
      T* out = reinterpret_cast<T*>(data[0]) + begin;
      double block[kBlock];
      int far = 0;
      for (int64_t i = 0; i < m; ++i) {
        block[i] = x[i];
        far |= !(scalar::fabs(x[i]) <= T(math::kMaxAngle));
      }
      for (int64_t i = m; i < m + L && i < kBlock; ++i) block[i] = 0;
      if (far) {
        for (int64_t i = 0; i < m; ++i) out[i] = beyond(x[i]);
        continue;
      }
      for (int64_t i = 0; i < m; i += L) {
        const Vec<double> angle = load(block + i);
        if constexpr (sizeof(T) == sizeof(float))
          store(block + i, near(math::reduce_angle_single(angle)));
        else
          store(block + i, near(math::reduce_angle(angle)));
      }
      for (int64_t i = 0; i < m; ++i) out[i] = static_cast<T>(block[i]);
    }
  };
}

// f in double, also of floats: near the zeros of lgamma and digamma only that has their digits.
template <class T, special::V (*f)(special::V)>
void special_row(char* const* data, int64_t n, P) {
  constexpr int64_t kBlock = 128, L = kLanes<double>;
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t m = n - begin < kBlock ? n - begin : kBlock;
    const T* x = reinterpret_cast<const T*>(data[1]) + begin;
    T* out = reinterpret_cast<T*>(data[0]) + begin;
    double block[kBlock];
    for (int64_t i = 0; i < m; ++i) block[i] = x[i];
    for (int64_t i = m; i < m + L && i < kBlock; ++i) block[i] = 1;
    for (int64_t i = 0; i < m; i += L) store(block + i, f(load(block + i)));
    for (int64_t i = 0; i < m; ++i) out[i] = static_cast<T>(block[i]);
  }
}

// To a power that is the same for all, p[0]: the usual ones by products, as torch does.
template <class T>
void power_row(char* const* data, int64_t n, P p) {
  const double power = *p;
  if (power == 3) return vec<T>([](Vec<T> x, P) { return x * x * x; })(data, n, p);
  if (power == -2) return vec<T>([](Vec<T> x, P) { return 1 / (x * x); })(data, n, p);
  T* out = reinterpret_cast<T*>(data[0]);
  const T* x = reinterpret_cast<const T*>(data[1]);
  if constexpr (sizeof(T) == sizeof(float)) {
    constexpr int64_t kBlock = 1024;
    float exponent[kBlock];
    for (float& e : exponent) e = static_cast<float>(power);
    for (int64_t i = 0; i < n; i += kBlock)
      math::pow_row(out + i, x + i, exponent, n - i < kBlock ? n - i : kBlock);
  } else {
    for (int64_t i = 0; i < n; ++i) out[i] = scalar::pow(x[i], power);
  }
}

template <class T>
RowMap real(Unary op) {
  using namespace math;
  using V = Vec<T>;
  switch (op) {
    case Unary::neg:
      return vec<T>([](V x, P) { return -x; });
    case Unary::abs:
      return vec<T>([](V x, P) { return math::abs(x); });
    case Unary::sign:  // of NaN 0, as in torch
      return one<T>([](T x, P) { return static_cast<T>((x > 0) - (x < 0)); });
    case Unary::square:
      return vec<T>([](V x, P) { return x * x; });
    case Unary::relu:
      return vec<T>([](V x, P) { return x < 0 ? V{} : x; });
    case Unary::floor:
      return vec<T>([](V x, P) { return math::floor(x); });
    case Unary::ceil:
      return vec<T>([](V x, P) { return math::ceil(x); });
    case Unary::round:
      return vec<T>([](V x, P) { return math::round(x); });
    case Unary::trunc:
      return vec<T>([](V x, P) { return math::trunc(x); });
    case Unary::frac:
      return vec<T>([](V x, P) { return x - math::trunc(x); });
    case Unary::sqrt:
      return one<T>([](T x, P) { return scalar::sqrt(x); });
    case Unary::rsqrt:
      return one<T>([](T x, P) { return 1 / scalar::sqrt(x); });
    case Unary::reciprocal:
      return vec<T>([](V x, P) { return 1 / x; });
    case Unary::exp:
      return vec<T>([](V x, P) { return math::exp(x); });
    case Unary::exp2:
      return vec<T>([](V x, P) { return math::exp2(x); });
    case Unary::expm1:
      return vec<T>([](V x, P) { return math::expm1(x); });
    case Unary::log:
      return vec<T>([](V x, P) { return math::log(x); });
    case Unary::log2:
      return vec<T>([](V x, P) { return math::log2(x); });
    case Unary::log10:
      return vec<T>([](V x, P) { return math::log10(x); });
    case Unary::log1p:
      return vec<T>([](V x, P) { return math::log1p(x); });
    case Unary::sin:
      return angles<T>([](const math::Angle& a) { return math::sin(a, 0); },
                       [](T x) { return scalar::sin(x); });
    case Unary::cos:
      return angles<T>([](const math::Angle& a) { return math::sin(a, 1); },
                       [](T x) { return scalar::cos(x); });
    case Unary::tan:
      return angles<T>([](const math::Angle& a) { return math::tan(a); },
                       [](T x) { return scalar::tan(x); });
    case Unary::asin:
      return vec<T>([](V x, P) { return math::asin(x); });
    case Unary::acos:
      return vec<T>([](V x, P) { return math::acos(x); });
    case Unary::atan:
      return vec<T>([](V x, P) { return math::atan(x); });
    case Unary::sinh:
      return vec<T>([](V x, P) { return math::sinh(x); });
    case Unary::cosh:
      return vec<T>([](V x, P) { return math::cosh(x); });
    case Unary::tanh:
      return vec<T>([](V x, P) { return math::tanh(x); });
    case Unary::sigmoid:
      return vec<T>([](V x, P) { return math::sigmoid(x); });
    case Unary::erf:
      return vec<T>([](V x, P) { return math::erf(x); });
    case Unary::erfc:
      if constexpr (sizeof(T) == sizeof(float))
        return &special_row<T, special::erfc_single>;
      else
        return one<T>([](T x, P) { return scalar::erfc(x); });
    case Unary::lgamma:
      return &special_row<T, special::lgamma>;
    case Unary::digamma:
      return &special_row<T, special::digamma>;
    case Unary::erfinv:
      if constexpr (sizeof(T) == sizeof(float))
        return vec<T>([](V x, P) { return special::erfinv_single(x); });
      else
        return &special_row<T, special::erfinv>;
    case Unary::acosh:
      return vec<T>([](V x, P) { return math::acosh(x); });
    case Unary::asinh:
      return vec<T>([](V x, P) { return math::asinh(x); });
    case Unary::atanh:
      return vec<T>([](V x, P) { return math::atanh(x); });
    case Unary::polygamma:
      return [](char* const* data, int64_t n, P p) {
        if (*p == 1) return special_row<T, special::trigamma>(data, n, p);
        const auto derivative = [](T x, P order) {
          return static_cast<T>(
              special::polygamma(static_cast<int>(*order), static_cast<double>(x)));
        };
        one<T>(derivative)(data, n, p);
      };
    case Unary::power:
      return &power_row<T>;
    case Unary::nan_to_num:
      return one<T>([](T x, P p) {
        const T inf = __builtin_inf();
        const T y = x == inf ? static_cast<T>(p[1]) : x == -inf ? static_cast<T>(p[2]) : x;
        return x == x ? y : static_cast<T>(p[0]);
      });
    case Unary::round_to:
      return one<T>([](T x, P p) {
        const T power = static_cast<T>(p[0]);
        return p[1] != 0 ? scalar::rint(x / power) * power : scalar::rint(x * power) / power;
      });
    case Unary::leaky_relu:
      return vec<T>([](V x, P p) { return x > 0 ? x : x * static_cast<T>(*p); });
    case Unary::elu:
      return vec<T>([](V x, P p) { return x > 0 ? x : math::expm1(x) * static_cast<T>(*p); });
    case Unary::gelu:
      return vec<T>([](V x, P) { return math::gelu(x); });
    case Unary::gelu_tanh:
      return vec<T>([](V x, P) { return math::gelu_tanh(x); });
    case Unary::silu:
      return vec<T>([](V x, P) { return x / (1 + math::exp(-x)); });
    case Unary::softplus:
      return vec<T>(
          [](V x, P p) { return math::softplus(x, static_cast<T>(p[0]), static_cast<T>(p[1])); });
    case Unary::clamp:
      return [](char* const* data, int64_t n, P p) {
        if (p[0] != p[0] || p[1] != p[1])  // a bound that is no number leaves none
          return vec<T>([](V, P) { return V{} + static_cast<T>(__builtin_nan("")); })(data, n, p);
        vec<T>([](V x, P p) {
          return cpu::LAMINA_ISA::clamp(x, static_cast<T>(p[0]), static_cast<T>(p[1]));
        })(data, n, p);
      };
    case Unary::selu:
      return vec<T>([](V x, P) { return math::selu(x); });
    case Unary::celu:
      return vec<T>([](V x, P p) { return math::celu(x, static_cast<T>(*p)); });
    case Unary::log_sigmoid:
      return vec<T>([](V x, P) { return math::log_sigmoid(x); });
    case Unary::mish:
      return vec<T>([](V x, P) { return math::mish(x); });
    case Unary::hardsigmoid:
      return vec<T>([](V x, P) { return math::hardsigmoid(x); });
    case Unary::hardswish:
      return vec<T>([](V x, P) { return math::hardswish(x); });
    case Unary::softshrink:
      return vec<T>([](V x, P p) { return math::softshrink(x, static_cast<T>(*p)); });
    case Unary::hardshrink:
      return vec<T>([](V x, P p) { return math::abs(x) <= static_cast<T>(*p) ? V{} : x; });
    case Unary::threshold:
      return vec<T>(
          [](V x, P p) { return x <= static_cast<T>(p[0]) ? V{} + static_cast<T>(p[1]) : x; });
    default:
      __builtin_unreachable();
  }
}

template <class T>
RowMap integer(Unary op) {
  using U = Unsigned<T>;
  switch (op) {
    case Unary::neg:
      return one<T>([](T x, P) { return static_cast<T>(-static_cast<U>(x)); });
    case Unary::abs:
      return one<T>([](T x, P) { return x < 0 ? static_cast<T>(-static_cast<U>(x)) : x; });
    case Unary::sign:
      return one<T>([](T x, P) { return static_cast<T>((x > 0) - (x < 0)); });
    case Unary::square:
      return one<T>([](T x, P) { return static_cast<T>(static_cast<U>(x) * static_cast<U>(x)); });
    case Unary::bitwise_not:
      return one<T>([](T x, P) { return ~x; });
    case Unary::relu:
      return one<T>([](T x, P) { return x > 0 ? x : T(0); });
    default:
      __builtin_unreachable();
  }
}

// Tests: read T, write bool.
template <class T>
RowMap test(Unary op) {
  switch (op) {
    case Unary::isnan:
      return scalars<bool, T, 1>([](T x, P) { return x != x; });
    case Unary::isinf:
      return scalars<bool, T, 1>([](T x, P) { return x - x != 0 && x == x; });
    case Unary::isfinite:
      return scalars<bool, T, 1>([](T x, P) { return x - x == 0; });
    default:
      __builtin_unreachable();
  }
}

}  // namespace

RowOp<2> unary_op(Unary op, DType compute) {
  const bool wide = compute == DType::float64;
  if (op == Unary::logical_not)
    return {scalars<uint8_t, uint8_t, 1>([](uint8_t x, P) { return x ^ 1; }),
            {DType::boolean, DType::boolean}};
  if (op == Unary::isnan || op == Unary::isinf || op == Unary::isfinite)
    return {wide ? test<double>(op) : test<float>(op), {DType::boolean, compute}};
  RowMap run = wide                        ? real<double>(op)
               : compute == DType::float32 ? real<float>(op)
               : compute == DType::int64   ? integer<int64_t>(op)
                                           : integer<int32_t>(op);
  return {run, {compute, compute}};
}

}  // namespace lamina::cpu::LAMINA_ISA

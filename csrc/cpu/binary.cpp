// Elementwise functions of two operands: arithmetic, comparisons, logic, and the gradients of
// activations.
#include "cpu/activation_math.h"
#include "cpu/angle_math.h"
#include "cpu/binary_math.h"
#include "cpu/rowops.h"
#include "cpu/scalar_math.h"
#include "cpu/single_math.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::Binary;
using P = const double*;

template <class T, class F>
RowMap vec(F f) {
  return vectors<T, 2>(f);
}

template <class T, class F>
RowMap one(F f) {
  return scalars<T, T, 2>(f);
}

template <class T>
RowMap real(Binary op) {
  using V = Vec<T>;
  switch (op) {
    case Binary::add:
      return vec<T>([](V a, V b, P) { return a + b; });
    case Binary::subtract:
      return vec<T>([](V a, V b, P) { return a - b; });
    case Binary::multiply:
      return vec<T>([](V a, V b, P) { return a * b; });
    case Binary::divide:
      return vec<T>([](V a, V b, P) { return a / b; });
    case Binary::floor_divide:
      return vec<T>([](V a, V b, P) { return math::floor_divide(a, b); });
    case Binary::trunc_divide:
      return vec<T>([](V a, V b, P) { return math::trunc(a / b); });
    case Binary::remainder:
      return vec<T>([](V a, V b, P) { return math::remainder(a, b); });
    case Binary::fmod:
      return vec<T>([](V a, V b, P) { return math::fmod(a, b); });
    case Binary::pow:
      if constexpr (sizeof(T) == sizeof(float))
        return [](char* const* data, int64_t n, P) {
          math::pow_row(reinterpret_cast<float*>(data[0]), reinterpret_cast<const float*>(data[1]),
                        reinterpret_cast<const float*>(data[2]), n);
        };
      else
        return one<T>([](T a, T b, P) { return scalar::pow(a, b); });
    case Binary::maximum:
      return vec<T>([](V a, V b, P) { return maximum(a, b); });
    case Binary::minimum:
      return vec<T>([](V a, V b, P) { return minimum(a, b); });
    case Binary::fmax:
      return vec<T>([](V a, V b, P) { return (a > b) | (b != b) ? a : b; });
    case Binary::fmin:
      return vec<T>([](V a, V b, P) { return (a < b) | (b != b) ? a : b; });
    case Binary::atan2:
      return vec<T>([](V a, V b, P) { return math::atan2(a, b); });
    case Binary::logaddexp:
      return vec<T>([](V a, V b, P) { return math::logaddexp(a, b); });
    case Binary::logaddexp2:
      return vec<T>([](V a, V b, P) { return math::logaddexp2(a, b); });
    case Binary::hypot:
      return vec<T>([](V a, V b, P) { return math::hypot(a, b); });
    case Binary::copysign:
      return vec<T>([](V a, V b, P) { return math::copysign(a, b); });
    case Binary::xlogy:
      return vec<T>([](V a, V b, P) { return math::xlogy(a, b); });
    case Binary::relu_backward:
      return vec<T>([](V g, V y, P) { return y <= 0 ? V{} : g; });  // also NaN passes
    case Binary::leaky_relu_backward:
      return vec<T>([](V g, V y, P p) { return y > 0 ? g : g * static_cast<T>(*p); });
    case Binary::elu_backward:
      return vec<T>([](V g, V y, P p) { return y > 0 ? g : g * (y + static_cast<T>(*p)); });
    case Binary::sigmoid_backward:
      return vec<T>([](V g, V y, P) { return g * (y * (1 - y)); });
    case Binary::tanh_backward:
      return vec<T>([](V g, V y, P) { return g * (1 - y * y); });
    case Binary::gelu_backward:
      return vec<T>([](V g, V x, P) { return g * math::gelu_slope(x); });
    case Binary::gelu_tanh_backward:
      return vec<T>([](V g, V x, P) { return g * math::gelu_tanh_slope(x); });
    case Binary::silu_backward:
      return vec<T>([](V g, V x, P) { return g * math::silu_slope(x); });
    case Binary::softplus_backward:
      return vec<T>([](V g, V x, P p) {
        return g * math::softplus_slope(x, static_cast<T>(p[0]), static_cast<T>(p[1]));
      });
    case Binary::clamp_backward:
      return vec<T>([](V g, V x, P p) {
        return (x >= static_cast<T>(p[0])) & (x <= static_cast<T>(p[1])) ? g : V{};
      });
    case Binary::hardtanh_backward:
      return vec<T>([](V g, V x, P p) {
        return (x > static_cast<T>(p[0])) & (x < static_cast<T>(p[1])) ? g : V{};
      });
    case Binary::selu_backward:
      return vec<T>([](V g, V y, P) {
        const V below = y + static_cast<T>(math::kSeluScale * math::kSeluAlpha);
        return g * (y > 0 ? V{} + static_cast<T>(math::kSeluScale) : below);
      });
    case Binary::celu_backward:
      return vec<T>([](V g, V y, P p) { return y > 0 ? g : g * (y / static_cast<T>(*p) + 1); });
    case Binary::log_sigmoid_backward:
      return vec<T>([](V g, V x, P) { return g * math::sigmoid(-x); });
    case Binary::mish_backward:
      return vec<T>([](V g, V x, P) { return g * math::mish_slope(x); });
    case Binary::hardsigmoid_backward:
      return vec<T>(
          [](V g, V x, P) { return (x > -3) & (x < 3) ? g * static_cast<T>(1.0 / 6) : V{}; });
    case Binary::hardswish_backward:
      return vec<T>([](V g, V x, P) { return g * math::hardswish_slope(x); });
    case Binary::shrink_backward:
      return vec<T>([](V g, V x, P p) { return math::abs(x) <= static_cast<T>(*p) ? V{} : g; });
    case Binary::threshold_backward:
      return vec<T>([](V g, V x, P p) { return x <= static_cast<T>(*p) ? V{} : g; });
    case Binary::add_scaled:
      return vec<T>([](V a, V b, P p) { return a + b * static_cast<T>(*p); });
    case Binary::subtract_scaled:
      return vec<T>([](V a, V b, P p) { return a - b * static_cast<T>(*p); });
    default:
      __builtin_unreachable();
  }
}

// The ops module has checked that no divisor is 0; -1 is apart because the smallest number has no
// negative.
template <class T>
LAMINA_INLINE T integer_divide(T a, T b) {
  return b == -1 ? static_cast<T>(-static_cast<Unsigned<T>>(a)) : a / b;
}

template <class T>
LAMINA_INLINE T integer_fmod(T a, T b) {
  return b == -1 ? 0 : a % b;
}

template <class T>
LAMINA_INLINE T integer_remainder(T a, T b) {
  const T r = integer_fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

// By squaring; a negative exponent leaves 0, but for bases of 1 and -1.
template <class T>
LAMINA_INLINE T integer_pow(T a, T b) {
  if (b < 0) return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
  Unsigned<T> base = static_cast<Unsigned<T>>(a), y = 1;
  for (; b; b >>= 1, base *= base)
    if (b & 1) y *= base;
  return static_cast<T>(y);
}

template <class T>
RowMap integer(Binary op) {
  using U = Unsigned<T>;
  constexpr T kBits = sizeof(T) * 8;
  switch (op) {
    case Binary::add:
      return one<T>(
          [](T a, T b, P) { return static_cast<T>(static_cast<U>(a) + static_cast<U>(b)); });
    case Binary::subtract:
      return one<T>(
          [](T a, T b, P) { return static_cast<T>(static_cast<U>(a) - static_cast<U>(b)); });
    case Binary::multiply:
      return one<T>(
          [](T a, T b, P) { return static_cast<T>(static_cast<U>(a) * static_cast<U>(b)); });
    case Binary::floor_divide:
      return one<T>([](T a, T b, P) {
        const T q = integer_divide(a, b);
        return integer_fmod(a, b) != 0 && (a < 0) != (b < 0) ? q - 1 : q;
      });
    case Binary::trunc_divide:
      return one<T>([](T a, T b, P) { return integer_divide(a, b); });
    case Binary::remainder:
      return one<T>([](T a, T b, P) { return integer_remainder(a, b); });
    case Binary::fmod:
      return one<T>([](T a, T b, P) { return integer_fmod(a, b); });
    case Binary::pow:
      return one<T>([](T a, T b, P) { return integer_pow(a, b); });
    case Binary::maximum:
    case Binary::fmax:
      return one<T>([](T a, T b, P) { return a > b ? a : b; });
    case Binary::minimum:
    case Binary::fmin:
      return one<T>([](T a, T b, P) { return a < b ? a : b; });
    case Binary::bitwise_and:
      return one<T>([](T a, T b, P) { return a & b; });
    case Binary::bitwise_or:
      return one<T>([](T a, T b, P) { return a | b; });
    case Binary::bitwise_xor:
      return one<T>([](T a, T b, P) { return a ^ b; });
    case Binary::shift_left:
      return one<T>([](T a, T b, P) {
        return b < 0 || b >= kBits ? T(0) : static_cast<T>(static_cast<U>(a) << b);
      });
    case Binary::shift_right:
      return one<T>(
          [](T a, T b, P) { return b < 0 || b >= kBits ? (a < 0 ? T(-1) : T(0)) : a >> b; });
    default:
      __builtin_unreachable();
  }
}

// Comparisons: read T, write bool.
template <class T>
RowMap compare(Binary op) {
  switch (op) {
    case Binary::eq:
      return scalars<bool, T, 2>([](T a, T b, P) { return a == b; });
    case Binary::ne:
      return scalars<bool, T, 2>([](T a, T b, P) { return a != b; });
    case Binary::lt:
      return scalars<bool, T, 2>([](T a, T b, P) { return a < b; });
    case Binary::le:
      return scalars<bool, T, 2>([](T a, T b, P) { return a <= b; });
    case Binary::gt:
      return scalars<bool, T, 2>([](T a, T b, P) { return a > b; });
    case Binary::ge:
      return scalars<bool, T, 2>([](T a, T b, P) { return a >= b; });
    default:
      __builtin_unreachable();
  }
}

// Of bools, as bytes of 0 and 1.
RowMap logical(Binary op) {
  using B = uint8_t;
  switch (op) {
    case Binary::logical_and:
    case Binary::bitwise_and:
      return scalars<B, B, 2>([](B a, B b, P) { return a & b; });
    case Binary::logical_or:
    case Binary::bitwise_or:
      return scalars<B, B, 2>([](B a, B b, P) { return a | b; });
    default:
      return scalars<B, B, 2>([](B a, B b, P) { return a ^ b; });
  }
}

template <class F>
RowMap by_type(DType compute, F f) {
  switch (compute) {
    case DType::float64:
      return f(double{});
    case DType::float32:
      return f(float{});
    case DType::int64:
      return f(int64_t{});
    default:
      return f(int32_t{});
  }
}

}  // namespace

RowOp<3> binary_op(Binary op, DType compute) {
  constexpr DType kBool = DType::boolean;
  if (compute == kBool) return {logical(op), {kBool, kBool, kBool}};
  if (op >= Binary::eq && op <= Binary::ge) {
    const RowMap run = by_type(compute, [&](auto tag) { return compare<decltype(tag)>(op); });
    return {run, {kBool, compute, compute}};
  }
  const RowMap run = by_type(compute, [&](auto tag) {
    using T = decltype(tag);
    if constexpr (__is_same(T, float) || __is_same(T, double))
      return real<T>(op);
    else
      return integer<T>(op);
  });
  return {run, {compute, compute, compute}};
}

}  // namespace lamina::cpu::LAMINA_ISA

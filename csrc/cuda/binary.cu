// Elementwise functions of two operands: arithmetic, comparisons, logic, and the gradients of
// activations.
//
// Bound by bytes: of packed float32 operands 12 an element, 9 where the result is a bool, 8 where
// one operand is a number; 1e8 elements take at least 0.28, 0.21 and 0.19 ms at the 4.3 TB/s that
// an H200 copies.  elementwise.cu counts instructions.  Compiled and emulated, not yet run on a
// device.
#include "cuda/activation_math.h"
#include "cuda/maps.h"

namespace lamina::cuda {
namespace {

using kernels::Binary;

constexpr double kLn2 = 0.69314718055994530942;

// Division that rounds towards minus infinity, as Python's: the remainder has the divisor's sign.
template <class T>
__device__ __forceinline__ T real_remainder(T a, T b) {
  const T r = fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

// As Python and torch, also where fmod or the quotient is not finite.
template <class T>
__device__ __forceinline__ T real_floor_divide(T a, T b) {
  if (b == 0) return a / b;
  const T rest = fmod(a, b);
  T quotient = (a - rest) / b;  // an integer but for rounding
  if (rest != 0 && (b < 0) != (rest < 0)) quotient -= 1;
  if (quotient == 0) return copysign(T(0), a / b);
  const T down = floor(quotient);
  return quotient - down > T(0.5) ? down + 1 : down;
}

template <Binary op, class T>
struct Real {
  static __device__ __forceinline__ T apply(const double*, T a, T b) {
    switch (op) {
      case Binary::add:
        return a + b;
      case Binary::subtract:
        return a - b;
      case Binary::multiply:
        return a * b;
      case Binary::divide:
        return a / b;
      case Binary::floor_divide:
        return real_floor_divide(a, b);
      case Binary::trunc_divide:
        return trunc(a / b);
      case Binary::remainder:
        return real_remainder(a, b);
      case Binary::fmod:
        return fmod(a, b);
      case Binary::pow:
        return pow(a, b);
      case Binary::maximum:
        return math::maximum(a, b);
      case Binary::minimum:
        return math::minimum(a, b);
      case Binary::fmax:
        return a > b || b != b ? a : b;
      case Binary::fmin:
        return a < b || b != b ? a : b;
      case Binary::atan2:
        return atan2(a, b);
      case Binary::logaddexp:
        return a == b ? a + T(kLn2) : math::maximum(a, b) + log1p(exp(-fabs(a - b)));
      case Binary::logaddexp2:
        return a == b ? a + 1 : math::maximum(a, b) + log1p(exp2(-fabs(a - b))) / T(kLn2);
      case Binary::hypot:
        return hypot(a, b);
      case Binary::copysign:
        return copysign(a, b);
      default:  // xlogy
        return a == 0 && b == b ? T(0) : a * log(b);
    }
  }
};

// a: the gradient of the output; b: the input or the output, as kernels/elementwise.h says.
template <Binary op, class T>
struct Gradient {
  static __device__ __forceinline__ T apply(const double* p, T g, T x) {
    switch (op) {
      case Binary::relu_backward:
        return x <= 0 ? T(0) : g;  // also NaN passes
      case Binary::leaky_relu_backward:
        return x > 0 ? g : g * static_cast<T>(p[0]);
      case Binary::elu_backward:
        return x > 0 ? g : g * (x + static_cast<T>(p[0]));
      case Binary::sigmoid_backward:
        return g * (x * (1 - x));
      case Binary::tanh_backward:
        return g * (1 - x * x);
      case Binary::gelu_backward:
        return g * math::gelu_slope(x);
      case Binary::gelu_tanh_backward:
        return g * math::gelu_tanh_slope(x);
      case Binary::silu_backward:
        return g * math::silu_slope(x);
      case Binary::softplus_backward:
        return g * math::softplus_slope(x, static_cast<T>(p[0]), static_cast<T>(p[1]));
      case Binary::clamp_backward:
        return x >= static_cast<T>(p[0]) && x <= static_cast<T>(p[1]) ? g : T(0);
      case Binary::hardtanh_backward:
        return x > static_cast<T>(p[0]) && x < static_cast<T>(p[1]) ? g : T(0);
      case Binary::selu_backward:
        return g * (x > 0 ? T(math::kSeluScale) : x + T(math::kSeluScale * math::kSeluAlpha));
      case Binary::celu_backward:
        return x > 0 ? g : g * (x / static_cast<T>(p[0]) + 1);
      case Binary::log_sigmoid_backward:
        return g * math::sigmoid(-x);
      case Binary::mish_backward:
        return g * math::mish_slope(x);
      case Binary::hardsigmoid_backward:
        return x > -3 && x < 3 ? g * T(1.0 / 6) : T(0);
      case Binary::hardswish_backward:
        return g * math::hardswish_slope(x);
      case Binary::shrink_backward:
        return x >= -static_cast<T>(p[0]) && x <= static_cast<T>(p[0]) ? T(0) : g;
      case Binary::threshold_backward:
        return x <= static_cast<T>(p[0]) ? T(0) : g;
      case Binary::add_scaled:  // of no activation: g and x are any two
        return g + x * static_cast<T>(p[0]);
      default:  // subtract_scaled
        return g - x * static_cast<T>(p[0]);
    }
  }
};

// The ops module has checked that no divisor is 0; -1 is apart because the smallest number has no
// negative.
template <class T>
__device__ __forceinline__ T integer_divide(T a, T b) {
  return b == -1 ? static_cast<T>(-static_cast<std::make_unsigned_t<T>>(a)) : a / b;
}

template <class T>
__device__ __forceinline__ T integer_fmod(T a, T b) {
  return b == -1 ? T(0) : a % b;
}

template <class T>
__device__ __forceinline__ T integer_floor_divide(T a, T b) {
  const T q = integer_divide(a, b);
  return integer_fmod(a, b) != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

template <class T>
__device__ __forceinline__ T integer_remainder(T a, T b) {
  const T r = integer_fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

// By squaring; a negative exponent leaves 0, but for bases of 1 and -1.
template <class T>
__device__ __forceinline__ T integer_pow(T a, T b) {
  if (b < 0) return a == 1 ? T(1) : a == -1 ? (b & 1 ? T(-1) : T(1)) : T(0);
  std::make_unsigned_t<T> base = static_cast<std::make_unsigned_t<T>>(a), y = 1;
  for (; b; b >>= 1, base *= base)
    if (b & 1) y *= base;
  return static_cast<T>(y);
}

template <Binary op, class T>
struct Integer {
  static __device__ __forceinline__ T apply(const double*, T a, T b) {
    using U = std::make_unsigned_t<T>;
    constexpr T kBits = sizeof(T) * 8;
    switch (op) {
      case Binary::add:
        return static_cast<T>(static_cast<U>(a) + static_cast<U>(b));
      case Binary::subtract:
        return static_cast<T>(static_cast<U>(a) - static_cast<U>(b));
      case Binary::multiply:
        return static_cast<T>(static_cast<U>(a) * static_cast<U>(b));
      case Binary::floor_divide:
        return integer_floor_divide(a, b);
      case Binary::trunc_divide:
        return integer_divide(a, b);
      case Binary::remainder:
        return integer_remainder(a, b);
      case Binary::fmod:
        return integer_fmod(a, b);
      case Binary::pow:
        return integer_pow(a, b);
      case Binary::maximum:
      case Binary::fmax:
        return a > b ? a : b;
      case Binary::minimum:
      case Binary::fmin:
        return a < b ? a : b;
      case Binary::bitwise_and:
        return a & b;
      case Binary::bitwise_or:
        return a | b;
      case Binary::bitwise_xor:
        return a ^ b;
      case Binary::shift_left:
        return b < 0 || b >= kBits ? T(0) : static_cast<T>(static_cast<U>(a) << b);
      default:  // shift_right
        return b < 0 || b >= kBits ? (a < 0 ? T(-1) : T(0)) : a >> b;
    }
  }
};

template <Binary op, class T>
struct Compare {
  static __device__ __forceinline__ bool apply(const double*, T a, T b) {
    switch (op) {
      case Binary::eq:
        return a == b;
      case Binary::ne:
        return a != b;
      case Binary::lt:
        return a < b;
      case Binary::le:
        return a <= b;
      case Binary::gt:
        return a > b;
      default:
        return a >= b;
    }
  }
};

template <Binary op>
struct Logical {
  static __device__ __forceinline__ bool apply(const double*, bool a, bool b) {
    if (op == Binary::logical_and || op == Binary::bitwise_and) return a && b;
    if (op == Binary::logical_or || op == Binary::bitwise_or) return a || b;
    return a != b;
  }
};

template <class T>
MapKernel<3> compare(Binary op) {
  return pick<Binary::eq, Binary::ge>(
      op, [](auto o) { return &map_kernel<Compare<decltype(o)::value, T>, bool, T, T>; });
}

template <class T>
MapKernel<3> real(Binary op) {
  if (op >= Binary::relu_backward)
    return pick<Binary::relu_backward, Binary::subtract_scaled>(
        op, [](auto o) { return &map_kernel<Gradient<decltype(o)::value, T>, T, T, T>; });
  return pick<Binary::add, Binary::xlogy>(
      op, [](auto o) { return &map_kernel<Real<decltype(o)::value, T>, T, T, T>; });
}

template <class T>
MapKernel<3> integer(Binary op) {
  if (op >= Binary::bitwise_and)
    return pick<Binary::bitwise_and, Binary::shift_right>(
        op, [](auto o) { return &map_kernel<Integer<decltype(o)::value, T>, T, T, T>; });
  return pick<Binary::add, Binary::fmin>(
      op, [](auto o) { return &map_kernel<Integer<decltype(o)::value, T>, T, T, T>; });
}

template <class F>
MapKernel<3> by_type(DType compute, F f) {
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

Map<3> binary_map(Binary op, DType compute) {
  constexpr DType kBool = DType::boolean;
  if (compute == kBool) {
    const auto make = [](auto o) {
      return &map_kernel<Logical<decltype(o)::value>, bool, bool, bool>;
    };
    const MapKernel<3> kernel = op >= Binary::bitwise_and
                                    ? pick<Binary::bitwise_and, Binary::bitwise_xor>(op, make)
                                    : pick<Binary::logical_and, Binary::logical_xor>(op, make);
    return {kernel, {kBool, kBool, kBool}};
  }
  if (op >= Binary::eq && op <= Binary::ge)
    return {by_type(compute, [&](auto tag) { return compare<decltype(tag)>(op); }),
            {kBool, compute, compute}};
  const MapKernel<3> kernel = by_type(compute, [&](auto tag) {
    using T = decltype(tag);
    if constexpr (std::is_floating_point_v<T>)
      return real<T>(op);
    else
      return integer<T>(op);
  });
  return {kernel, {compute, compute, compute}};
}

}  // namespace lamina::cuda

// Activations and their derivatives on Vec<T>.
#pragma once

#include "cpu/vec_math.h"

namespace lamina::cpu::LAMINA_ISA::math {

constexpr double kSqrtHalf = 0.70710678118654752440;
constexpr double kNormalDensity = 0.39894228040143267794;  // 1 / sqrt(2 pi)
constexpr double kSqrtTwoOverPi = 0.79788456080286535588;
constexpr double kGeluCubic = 0.044715;

// Of the normal distribution with z = |x|: exp(-z^2 / 2), and the tail Phi(-z) as that times t P(t),
// t = 1 / (1 + 0.34 z).  P is a minimax fit, 3e-8 of the value off: one exponential serves the
// distribution and its density, and no 1 + erf loses the tail's digits.
template <class V>
struct NormalTail {
  V exponential, tail;
};

LAMINA_INLINE NormalTail<Vec<float>> normal_tail(Vec<float> x) {
  constexpr float kTail[] = {0.1356205046f,  0.1361121982f,  0.1151976585f,
                             0.1153591648f,  -0.0447184667f, 0.2021826953f,
                             -0.2731327713f, 0.1394995004f,  -0.0261204765f};
  const Vec<float> t = 1 / (1 + 0.34f * math::abs(x)), e = exp_negative(-0.5f * x * x);
  return {e, e * (t * horner(t, kTail))};
}

// Phi(x) of the tail's Phi(-|x|).
LAMINA_INLINE Vec<float> normal_below(Vec<float> tail, Vec<float> x) {
  return x < 0 ? tail : 1 - tail;
}

// x Phi(x), Phi the normal distribution function (Hendrycks and Gimpel, arXiv:1606.08415).
template <class V>
LAMINA_INLINE V gelu(V x) {
  using T = Element<V>;
  if constexpr (sizeof(T) == sizeof(float)) {
    return x * normal_below(normal_tail(x).tail, x);
  } else {
    return T(0.5) * x * (1 + erf(x * T(kSqrtHalf)));
  }
}

template <class V>
LAMINA_INLINE V gelu_slope(V x) {
  using T = Element<V>;
  if constexpr (sizeof(T) == sizeof(float)) {
    const NormalTail<V> n = normal_tail(x);
    return normal_below(n.tail, x) + x * n.exponential * T(kNormalDensity);
  } else {
    return T(0.5) * (1 + erf(x * T(kSqrtHalf))) + x * exp(T(-0.5) * x * x) * T(kNormalDensity);
  }
}

// Its approximation by tanh.
template <class V>
LAMINA_INLINE V gelu_tanh(V x) {
  using T = Element<V>;
  return T(0.5) * x * (1 + tanh(T(kSqrtTwoOverPi) * x * (1 + T(kGeluCubic) * x * x)));
}

template <class V>
LAMINA_INLINE V gelu_tanh_slope(V x) {
  using T = Element<V>;
  const V t = tanh(T(kSqrtTwoOverPi) * x * (1 + T(kGeluCubic) * x * x));
  const V inner = T(kSqrtTwoOverPi) * (1 + T(3 * kGeluCubic) * x * x);
  return T(0.5) * (1 + t) + T(0.5) * x * (1 - t * t) * inner;
}

template <class V>
LAMINA_INLINE V silu_slope(V x) {
  const V s = sigmoid(x);
  return s * (1 + x * (1 - s));
}

// log(1 + exp(beta x)) / beta, x itself where beta x > threshold.
template <class V>
LAMINA_INLINE V softplus(V x, Element<V> beta, Element<V> threshold) {
  return x * beta > threshold ? x : log1p(exp(x * beta)) / beta;
}

template <class V>
LAMINA_INLINE V softplus_slope(V x, Element<V> beta, Element<V> threshold) {
  return x * beta > threshold ? V{} + 1 : sigmoid(x * beta);
}

// Klambauer et al., arXiv:1706.02515.
constexpr double kSeluAlpha = 1.6732632423543772848170429916717;
constexpr double kSeluScale = 1.0507009873554804934193349852946;

template <class V>
LAMINA_INLINE V selu(V x) {
  using T = Element<V>;
  return x > 0 ? x * T(kSeluScale) : expm1(x) * T(kSeluScale * kSeluAlpha);
}

// alpha (exp(x / alpha) - 1) below zero (Barron, arXiv:1704.07483).
template <class V>
LAMINA_INLINE V celu(V x, Element<V> alpha) {
  return x > 0 ? x : expm1(x / alpha) * alpha;
}

// log(sigmoid(x)) = min(x, 0) - log(1 + exp(-|x|))
template <class V>
LAMINA_INLINE V log_sigmoid(V x) {
  return minimum(x, V{}) - log1p(exp(-math::abs(x)));
}

// n = (1 + e^x)^2 - 1, so that tanh(log(1 + e^x)) = n / (n + 2); beyond 20 that is 1 anyway.
template <class V>
LAMINA_INLINE V mish_ratio(V x) {
  const V e = exp(x < 20 ? x : V{} + 20);
  return e * (e + 2);
}

// x tanh(softplus(x)) (Misra, arXiv:1908.08681).
template <class V>
LAMINA_INLINE V mish(V x) {
  const V n = mish_ratio(x);
  return x * (n / (n + 2));
}

template <class V>
LAMINA_INLINE V mish_slope(V x) {
  const V n = mish_ratio(x), below = 1 / (n + 2);
  return n * below + x * (4 * (n + 1) * below * below) * sigmoid(x);
}

// min(max(x + 3, 0), 6) / 6
template <class V>
LAMINA_INLINE V hardsigmoid(V x) {
  using T = Element<V>;
  return clamp(x + 3, T(0), T(6)) * T(1.0 / 6);
}

// x hardsigmoid(x) (Howard et al., arXiv:1905.02244).
template <class V>
LAMINA_INLINE V hardswish(V x) {
  return x * hardsigmoid(x);
}

template <class V>
LAMINA_INLINE V hardswish_slope(V x) {
  using T = Element<V>;
  return x <= -3 ? V{} : x < 3 ? x * T(1.0 / 3) + T(0.5) : V{} + 1;
}

// x moved towards 0 by lambda, 0 where it is nearer; NaN stays.
template <class V>
LAMINA_INLINE V softshrink(V x, Element<V> lambda) {
  return x > lambda ? x - lambda : x < -lambda ? x + lambda : x * 0;
}

}  // namespace lamina::cpu::LAMINA_ISA::math

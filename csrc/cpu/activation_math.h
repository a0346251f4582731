// Activations and their derivatives on Vec<T>.
#pragma once

#include "cpu/vec_math.h"

namespace lamina::cpu::LAMINA_ISA::math {

constexpr double kSqrtHalf = 0.70710678118654752440;
constexpr double kNormalDensity = 0.39894228040143267794;  // 1 / sqrt(2 pi)
constexpr double kSqrtTwoOverPi = 0.79788456080286535588;
constexpr double kGeluCubic = 0.044715;

// x Phi(x), Phi the normal distribution function (Hendrycks and Gimpel, arXiv:1606.08415).
template <class V>
LAMINA_INLINE V gelu(V x) {
  using T = Element<V>;
  return T(0.5) * x * (1 + erf(x * T(kSqrtHalf)));
}

template <class V>
LAMINA_INLINE V gelu_slope(V x) {
  using T = Element<V>;
  return T(0.5) * (1 + erf(x * T(kSqrtHalf))) + x * exp(T(-0.5) * x * x) * T(kNormalDensity);
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

}  // namespace lamina::cpu::LAMINA_ISA::math

// Activations and their derivatives, for float and double; the formulas of cpu/activation_math.h.
#pragma once

#include <math.h>

#include "cuda/launch.h"

namespace lamina::cuda::math {

constexpr double kSqrtHalf = 0.70710678118654752440;
constexpr double kNormalDensity = 0.39894228040143267794;  // 1 / sqrt(2 pi)
constexpr double kSqrtTwoOverPi = 0.79788456080286535588;
constexpr double kGeluCubic = 0.044715;
constexpr double kSeluAlpha = 1.6732632423543772848170429916717;
constexpr double kSeluScale = 1.0507009873554804934193349852946;

template <class T>
__device__ __forceinline__ T sigmoid(T x) {
  return 1 / (1 + exp(-x));
}

// x Phi(x), Phi the normal distribution function (Hendrycks and Gimpel, arXiv:1606.08415).
template <class T>
__device__ __forceinline__ T gelu(T x) {
  return T(0.5) * x * (1 + erf(x * T(kSqrtHalf)));
}

template <class T>
__device__ __forceinline__ T gelu_slope(T x) {
  return T(0.5) * (1 + erf(x * T(kSqrtHalf))) + x * exp(T(-0.5) * x * x) * T(kNormalDensity);
}

// Its approximation by tanh.
template <class T>
__device__ __forceinline__ T gelu_tanh(T x) {
  return T(0.5) * x * (1 + tanh(T(kSqrtTwoOverPi) * x * (1 + T(kGeluCubic) * x * x)));
}

template <class T>
__device__ __forceinline__ T gelu_tanh_slope(T x) {
  const T t = tanh(T(kSqrtTwoOverPi) * x * (1 + T(kGeluCubic) * x * x));
  const T inner = T(kSqrtTwoOverPi) * (1 + T(3 * kGeluCubic) * x * x);
  return T(0.5) * (1 + t) + T(0.5) * x * (1 - t * t) * inner;
}

template <class T>
__device__ __forceinline__ T silu_slope(T x) {
  const T s = sigmoid(x);
  return s * (1 + x * (1 - s));
}

// log(1 + exp(beta x)) / beta, x itself where beta x > threshold.
template <class T>
__device__ __forceinline__ T softplus(T x, T beta, T threshold) {
  return x * beta > threshold ? x : log1p(exp(x * beta)) / beta;
}

template <class T>
__device__ __forceinline__ T softplus_slope(T x, T beta, T threshold) {
  return x * beta > threshold ? T(1) : sigmoid(x * beta);
}

// NaN wins, as in torch.
template <class T>
__device__ __forceinline__ T maximum(T a, T b) {
  return a > b || a != a ? a : b;
}

template <class T>
__device__ __forceinline__ T minimum(T a, T b) {
  return a < b || a != a ? a : b;
}

// n = (1 + e^x)^2 - 1, so that tanh(log(1 + e^x)) = n / (n + 2); beyond 20 that is 1 anyway.
template <class T>
__device__ __forceinline__ T mish_ratio(T x) {
  const T e = exp(x < 20 ? x : T(20));
  return e * (e + 2);
}

// x tanh(softplus(x)) (Misra, arXiv:1908.08681).
template <class T>
__device__ __forceinline__ T mish(T x) {
  const T n = mish_ratio(x);
  return x * (n / (n + 2));
}

template <class T>
__device__ __forceinline__ T mish_slope(T x) {
  const T n = mish_ratio(x), below = 1 / (n + 2);
  return n * below + x * (4 * (n + 1) * below * below) * sigmoid(x);
}

// min(max(x + 3, 0), 6) / 6
template <class T>
__device__ __forceinline__ T hardsigmoid(T x) {
  return minimum(maximum(x + 3, T(0)), T(6)) * T(1.0 / 6);
}

template <class T>
__device__ __forceinline__ T hardswish_slope(T x) {
  return x <= -3 ? T(0) : x < 3 ? x * T(1.0 / 3) + T(0.5) : T(1);
}

}  // namespace lamina::cuda::math

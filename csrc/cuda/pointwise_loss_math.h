// The losses of kernels/pointwise_loss.h and their derivatives by x, for float and double; the
// formulas of cpu/pointwise_loss_math.h.  Comparisons are written so that NaN stays NaN.
#pragma once

#include "cuda/activation_math.h"
#include "kernels/pointwise_loss.h"

namespace lamina::cuda::math {

using kernels::PointwiseLoss;

template <class T>
__device__ __forceinline__ T sign(T x) {
  return x > 0 ? T(1) : x < 0 ? T(-1) : x;
}

template <class T>
__device__ __forceinline__ T positive_part(T x) {
  return x < 0 ? T(0) : x;
}

template <class T>
__device__ __forceinline__ T at_least(T x, T low) {
  return x < low ? low : x;
}

// log(1 + exp(x)) without overflow.
template <class T>
__device__ __forceinline__ T log1p_exp(T x) {
  return positive_part(x) + log1p(exp(-fabs(x)));
}

// Stirling's approximation of log y!, for y above 1.
template <class T>
__device__ __forceinline__ T log_factorial(T y) {
  return y > 1 ? y * log(y) - y + T(0.5) * log(T(6.283185307179586477) * y) : T(0);
}

template <class T>
__device__ T pointwise_loss(PointwiseLoss loss, T x, T y, T a, T p, T q) {
  const T d = x - y, size = fabs(d);
  switch (loss) {
    case PointwiseLoss::mse_loss:
      return d * d;
    case PointwiseLoss::l1_loss:
      return size;
    case PointwiseLoss::smooth_l1_loss:
      return size < p ? T(0.5) * size * size / p : size - T(0.5) * p;
    case PointwiseLoss::huber_loss:
      return size <= p ? T(0.5) * size * size : p * (size - T(0.5) * p);
    case PointwiseLoss::binary_cross_entropy:
      return (y - 1) * at_least(log1p(-x), T(-100)) - y * at_least(log(x), T(-100));
    case PointwiseLoss::binary_cross_entropy_with_logits:
      return (1 - y) * x + (1 + (a - 1) * y) * log1p_exp(-x);
    case PointwiseLoss::kl_div:
      return (y == 0 ? T(0) : y * log(y)) - y * x;
    case PointwiseLoss::kl_div_log_target:
      return exp(y) * (y - x);
    case PointwiseLoss::soft_margin_loss:
      return log1p_exp(-x * y);
    case PointwiseLoss::hinge_embedding_loss:
      return (y != 1 ? positive_part(p - x) : T(0)) + (y != -1 ? x : T(0));
    case PointwiseLoss::margin_ranking_loss:
      return positive_part(p - x * y);
    case PointwiseLoss::poisson_nll_loss_log:
      return exp(x) - y * x + (p != 0 ? log_factorial(y) : T(0));
    case PointwiseLoss::poisson_nll_loss:
      return x - y * log(x + q) + (p != 0 ? log_factorial(y) : T(0));
  }
  return 0;
}

template <class T>
__device__ T pointwise_loss_slope(PointwiseLoss loss, T x, T y, T a, T p, T q) {
  const T d = x - y;
  switch (loss) {
    case PointwiseLoss::mse_loss:
      return 2 * d;
    case PointwiseLoss::l1_loss:
      return sign(d);
    case PointwiseLoss::smooth_l1_loss:
      return fabs(d) < p ? d / p : sign(d);
    case PointwiseLoss::huber_loss:
      return fabs(d) <= p ? d : p * sign(d);
    case PointwiseLoss::binary_cross_entropy:
      return d / at_least(x * (1 - x), T(1e-12));
    case PointwiseLoss::binary_cross_entropy_with_logits:
      return (1 + (a - 1) * y) * sigmoid(x) - a * y;
    case PointwiseLoss::kl_div:
      return -y;
    case PointwiseLoss::kl_div_log_target:
      return -exp(y);
    case PointwiseLoss::soft_margin_loss:
      return -y * sigmoid(-x * y);
    case PointwiseLoss::hinge_embedding_loss:
      return (y != -1 ? T(1) : T(0)) - (y != 1 && p - x >= 0 ? T(1) : T(0));
    case PointwiseLoss::margin_ranking_loss:
      return p - x * y >= 0 ? -y : T(0);
    case PointwiseLoss::poisson_nll_loss_log:
      return exp(x) - y;
    case PointwiseLoss::poisson_nll_loss:
      return 1 - y / (x + q);
  }
  return 0;
}

}  // namespace lamina::cuda::math

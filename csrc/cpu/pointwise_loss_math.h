// The losses of kernels/pointwise_loss.h and their derivatives by x, on Vec<T>.
#pragma once

#include "cpu/vec_math.h"

namespace lamina::cpu::LAMINA_ISA::math {

template <class V>
LAMINA_INLINE V sign(V x) {
  return x > 0 ? V{} + 1 : x < 0 ? V{} - 1 : x;  // NaN and zeros stay
}

template <class V>
LAMINA_INLINE V positive_part(V x) {
  return maximum(x, V{});
}

template <class V>
LAMINA_INLINE V smooth_l1(V d, Element<V> beta) {
  const V size = abs(d);
  return size < beta ? Element<V>(0.5) * size * size / beta : size - Element<V>(0.5) * beta;
}

template <class V>
LAMINA_INLINE V smooth_l1_slope(V d, Element<V> beta) {
  return abs(d) < beta ? d / beta : sign(d);
}

template <class V>
LAMINA_INLINE V huber(V d, Element<V> delta) {
  const V size = abs(d);
  return size <= delta ? Element<V>(0.5) * size * size : delta * (size - Element<V>(0.5) * delta);
}

template <class V>
LAMINA_INLINE V huber_slope(V d, Element<V> delta) {
  return abs(d) <= delta ? d : delta * sign(d);
}

template <class V>
LAMINA_INLINE V binary_cross_entropy(V x, V y) {
  const V least = V{} - 100;
  return (y - 1) * maximum(log1p(-x), least) - y * maximum(log(x), least);
}

template <class V>
LAMINA_INLINE V binary_cross_entropy_slope(V x, V y) {
  return (x - y) / maximum(x * (1 - x), V{} + Element<V>(1e-12));
}

// log(1 + exp(x)) without overflow.
template <class V>
LAMINA_INLINE V log1p_exp(V x) {
  return positive_part(x) + log1p(exp(-abs(x)));
}

// `positive`: the factor of the losses of y = 1.
template <class V>
LAMINA_INLINE V binary_cross_entropy_with_logits(V x, V y, V positive) {
  return (1 - y) * x + (1 + (positive - 1) * y) * log1p_exp(-x);
}

template <class V>
LAMINA_INLINE V binary_cross_entropy_with_logits_slope(V x, V y, V positive) {
  return (1 + (positive - 1) * y) * sigmoid(x) - positive * y;
}

template <class V>
LAMINA_INLINE V y_log_y(V y) {
  return y == 0 ? V{} : y * log(y);
}

template <class V>
LAMINA_INLINE V hinge_embedding(V x, V y, Element<V> margin) {
  return (y != 1 ? positive_part(margin - x) : V{}) + (y != -1 ? x : V{});
}

template <class V>
LAMINA_INLINE V hinge_embedding_slope(V x, V y, Element<V> margin) {
  const V one = V{} + 1;
  return ((y != -1) ? one : V{}) - (((y != 1) & (margin - x >= 0)) ? one : V{});
}

// Stirling's approximation of log y!, for y above 1.
template <class V>
LAMINA_INLINE V log_factorial(V y) {
  using T = Element<V>;
  return y > 1 ? y * log(y) - y + T(0.5) * log(T(6.283185307179586477) * y) : V{};
}

}  // namespace lamina::cpu::LAMINA_ISA::math

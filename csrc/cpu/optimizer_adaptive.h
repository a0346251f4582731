// Rules that divide each element's gradient by the root of its squares so far: Adagrad, RMSprop,
// Adadelta.
#pragma once

#include "cpu/optimizer_rule.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

template <class T>
struct Adagrad {
  Target<T> x;
  T* sum;
  T lr, eps;

  Adagrad(const OptimizerTensor& t, const Penalty& penalty, const kernels::AdagradParams& s)
      : x(t, penalty, s.lr),
        sum(state_of<T>(t, 0)),
        lr(static_cast<T>(s.lr / (1 + (t.step - 1) * s.lr_decay))),
        eps(static_cast<T>(s.eps)) {}

  LAMINA_INLINE void operator()(int64_t i) const {
    const T d = x.gradient(i);
    sum[i] += d * d;
    x.step(i, lr * d / (scalar::sqrt(sum[i]) + eps));
  }
};

template <class T, bool centered, bool has_momentum>
struct RmspropRule {
  Target<T> x;
  T *square, *velocity, *mean;
  T lr, alpha, take, eps, momentum;

  RmspropRule(const OptimizerTensor& t, const Penalty& penalty, const kernels::RmspropParams& s)
      : x(t, penalty, s.lr),
        square(state_of<T>(t, 0)),
        velocity(state_of<T>(t, 1)),
        mean(state_of<T>(t, 2)),
        lr(static_cast<T>(s.lr)),
        alpha(static_cast<T>(s.alpha)),
        take(static_cast<T>(1 - s.alpha)),
        eps(static_cast<T>(s.eps)),
        momentum(static_cast<T>(s.momentum)) {}

  LAMINA_INLINE void operator()(int64_t i) const {
    const T d = x.gradient(i);
    T variance = square[i] = alpha * square[i] + take * d * d;
    if constexpr (centered) {
      const T average = mean[i] = mean[i] + take * (d - mean[i]);
      variance -= average * average;
    }
    T step = d / (scalar::sqrt(variance) + eps);
    if constexpr (has_momentum) step = velocity[i] = momentum * velocity[i] + step;
    x.step(i, lr * step);
  }
};

template <class T>
using Rmsprop = RmspropRule<T, false, false>;
template <class T>
using RmspropMomentum = RmspropRule<T, false, true>;
template <class T>
using RmspropCentered = RmspropRule<T, true, false>;
template <class T>
using RmspropCenteredMomentum = RmspropRule<T, true, true>;

template <class T>
struct Adadelta {
  Target<T> x;
  T *square, *change;
  T lr, rho, take, eps;

  Adadelta(const OptimizerTensor& t, const Penalty& penalty, const kernels::AdadeltaParams& s)
      : x(t, penalty, s.lr),
        square(state_of<T>(t, 0)),
        change(state_of<T>(t, 1)),
        lr(static_cast<T>(s.lr)),
        rho(static_cast<T>(s.rho)),
        take(static_cast<T>(1 - s.rho)),
        eps(static_cast<T>(s.eps)) {}

  LAMINA_INLINE void operator()(int64_t i) const {
    const T d = x.gradient(i);
    const T s = square[i] = rho * square[i] + take * d * d;
    const T u = scalar::sqrt(change[i] + eps) / scalar::sqrt(s + eps) * d;
    change[i] = rho * change[i] + take * u * u;
    x.step(i, lr * u);
  }
};

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

// Adam and its kin: a running mean m of the gradient, scaled by a running measure of its size.
#pragma once

#include "cpu/optimizer_rule.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// The running means of the gradient and of its square.
template <class T>
struct Moments {
  T *m, *v;
  T beta1, beta2, take1, take2;

  template <class Params>
  Moments(const OptimizerTensor& t, const Params& s)
      : m(state_of<T>(t, 0)),
        v(state_of<T>(t, 1)),
        beta1(static_cast<T>(s.beta1)),
        beta2(static_cast<T>(s.beta2)),
        take1(static_cast<T>(1 - s.beta1)),
        take2(static_cast<T>(1 - s.beta2)) {}

  LAMINA_INLINE void take(int64_t i, T d) const {
    m[i] = beta1 * m[i] + take1 * d;
    v[i] = beta2 * v[i] + take2 * d * d;
  }
};

template <class T, bool amsgrad>
struct AdamRule {
  Target<T> x;
  Moments<T> moments;
  T* top;
  T lr, scale, eps;

  AdamRule(const OptimizerTensor& t, const Penalty& penalty, const kernels::AdamParams& s)
      : x(t, penalty, s.lr),
        moments(t, s),
        top(state_of<T>(t, 2)),
        lr(static_cast<T>(s.lr / gathered(s.beta1, t.step))),
        scale(static_cast<T>(1 / __builtin_sqrt(gathered(s.beta2, t.step)))),
        eps(static_cast<T>(s.eps)) {}

  LAMINA_INLINE void operator()(int64_t i) const {
    moments.take(i, x.gradient(i));
    T square = moments.v[i];
    if constexpr (amsgrad) top[i] = square = top[i] < square ? square : top[i];
    x.step(i, lr * moments.m[i] / (scalar::sqrt(square) * scale + eps));
  }
};

template <class T>
using Adam = AdamRule<T, false>;
template <class T>
using AmsGrad = AdamRule<T, true>;

template <class T>
struct Adamax {
  Target<T> x;
  T *m, *u;
  T beta1, take1, beta2, lr, eps;

  Adamax(const OptimizerTensor& t, const Penalty& penalty, const kernels::AdamaxParams& s)
      : x(t, penalty, s.lr),
        m(state_of<T>(t, 0)),
        u(state_of<T>(t, 1)),
        beta1(static_cast<T>(s.beta1)),
        take1(static_cast<T>(1 - s.beta1)),
        beta2(static_cast<T>(s.beta2)),
        lr(static_cast<T>(s.lr / gathered(s.beta1, t.step))),
        eps(static_cast<T>(s.eps)) {}

  LAMINA_INLINE void operator()(int64_t i) const {
    const T d = x.gradient(i), size = scalar::fabs(d) + eps, kept = beta2 * u[i];
    m[i] = beta1 * m[i] + take1 * d;
    u[i] = kept < size ? size : kept;
    x.step(i, lr * m[i] / u[i]);
  }
};

template <class T>
struct Nadam {
  Target<T> x;
  Moments<T> moments;
  T of_gradient, of_mean, scale, eps;

  Nadam(const OptimizerTensor& t, const Penalty& penalty, const kernels::NadamParams& s)
      : x(t, penalty, s.lr),
        moments(t, s),
        of_gradient(static_cast<T>(t.factors[0])),
        of_mean(static_cast<T>(t.factors[1])),
        scale(static_cast<T>(1 / gathered(s.beta2, t.step))),
        eps(static_cast<T>(s.eps)) {}

  LAMINA_INLINE void operator()(int64_t i) const {
    const T d = x.gradient(i);
    moments.take(i, d);
    x.step(i,
           (of_gradient * d + of_mean * moments.m[i]) / (scalar::sqrt(moments.v[i] * scale) + eps));
  }
};

// rho: the length of the simple mean that v approximates; its variance is tractable above 5.
template <class T>
struct Radam {
  Target<T> x;
  Moments<T> moments;
  T lr, rectified, eps;
  bool adaptive;

  Radam(const OptimizerTensor& t, const Penalty& penalty, const kernels::RadamParams& s)
      : x(t, penalty, s.lr), moments(t, s), eps(static_cast<T>(s.eps)) {
    const double mean = gathered(s.beta1, t.step), square = gathered(s.beta2, t.step);
    const double longest = 2 / (1 - s.beta2) - 1;
    const double rho = longest - 2 * t.step * __builtin_pow(s.beta2, t.step) / square;
    adaptive = rho > 5;
    lr = static_cast<T>(s.lr / mean);
    rectified = adaptive ? static_cast<T>(s.lr / mean *
                                          __builtin_sqrt(square * (rho - 4) * (rho - 2) * longest /
                                                         ((longest - 4) * (longest - 2) * rho)))
                         : T(0);
  }

  LAMINA_INLINE void operator()(int64_t i) const {
    moments.take(i, x.gradient(i));
    const T m = moments.m[i];
    x.step(i, adaptive ? rectified * m / (scalar::sqrt(moments.v[i]) + eps) : lr * m);
  }
};

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

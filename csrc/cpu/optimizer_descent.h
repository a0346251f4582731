// Rules that step along the gradient or its sign: SGD, averaged SGD, Rprop.
#pragma once

#include "cpu/optimizer_rule.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

template <class T, bool has_momentum>
struct SgdRule {
  Target<T> x;
  T* v;
  T lr, momentum, keep, take;
  bool nesterov;

  SgdRule(const OptimizerTensor& t, const Penalty& penalty, const kernels::SgdParams& s)
      : x(t, penalty, s.lr),
        v(state_of<T>(t, 0)),
        lr(static_cast<T>(s.lr)),
        momentum(static_cast<T>(s.momentum)),
        keep(t.step == 1 ? T(0) : momentum),
        take(t.step == 1 ? T(1) : static_cast<T>(1 - s.dampening)),
        nesterov(s.nesterov) {}

  LAMINA_INLINE void operator()(int64_t i) const {
    T d = x.gradient(i);
    if constexpr (has_momentum) {
      const T kept = v[i] = keep * v[i] + take * d;
      d = nesterov ? d + momentum * kept : kept;
    }
    x.step(i, lr * d);
  }
};

template <class T>
using Sgd = SgdRule<T, false>;
template <class T>
using SgdMomentum = SgdRule<T, true>;

template <class T>
struct Asgd {
  Target<T> x;
  T* average;
  T keep, eta, mu;

  Asgd(const OptimizerTensor& t, const Penalty& penalty, const kernels::AsgdParams& s)
      : x(t, penalty, s.lr),
        average(state_of<T>(t, 0)),
        keep(static_cast<T>(1 - s.lambd * t.factors[0])),
        eta(static_cast<T>(t.factors[0])),
        mu(static_cast<T>(t.factors[1])) {}

  LAMINA_INLINE void operator()(int64_t i) const {
    const T p = x.p[i] = keep * x.p[i] - eta * x.gradient(i);
    average[i] = mu == 1 ? p : average[i] + mu * (p - average[i]);
  }
};

template <class T>
struct Rprop {
  Target<T> x;
  T *last, *size;
  T shrink, grow, smallest, largest;

  Rprop(const OptimizerTensor& t, const Penalty& penalty, const kernels::RpropParams& s)
      : x(t, penalty, 0),
        last(state_of<T>(t, 0)),
        size(state_of<T>(t, 1)),
        shrink(static_cast<T>(s.shrink)),
        grow(static_cast<T>(s.grow)),
        smallest(static_cast<T>(s.smallest)),
        largest(static_cast<T>(s.largest)) {}

  LAMINA_INLINE void operator()(int64_t i) const {
    const T d = x.gradient(i), turn = d * last[i];
    T s = size[i] * (turn > 0 ? grow : turn < 0 ? shrink : T(1));
    s = s < smallest ? smallest : s;
    s = s > largest ? largest : s;
    const T kept = turn < 0 ? T(0) : d;
    size[i] = s;
    last[i] = kept;
    x.step(i, sign(kept) * s);
  }
};

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

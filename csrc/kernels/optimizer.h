// One optimizer step over many tensors in one call.  Every tensor of a call has the dtype; all
// memory of one tensor (parameter, gradient, state) lies in the same order, so that kernels see
// flat arrays.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lamina::kernels {

struct OptimizerTensor {
  void* param;
  const void* grad;
  void* state[3];     // by rule, see below
  int64_t n;          // elements
  double step;        // which step of this parameter it is, from 1
  double factors[2];  // what the caller keeps per parameter: asgd and nadam, see below
};

// What every rule does to gradients first (p: parameter, g: gradient times *scale, d: what the rule
// sees):
//   d = (maximize ? -g : g) + weight_decay p + l1_decay sign(p),
// or, decoupled, d = ±g and p -= lr (weight_decay p + l1_decay sign(p)) before the rule's update.
struct Penalty {
  double weight_decay, l1_decay;
  bool decoupled, maximize;
  const void* scale;  // a number of the parameters' dtype where they lie; null for 1
};

// v = momentum v + (1-dampening) d, in the first step v = d;  p -= lr (nesterov ? d + momentum v :
// v).  state: v, null without momentum.
struct SgdParams {
  double lr, momentum, dampening;
  bool nesterov;
};

// Kingma & Ba, arXiv 1412.6980.  state: means m, mean squares v, their maximum (amsgrad only).
struct AdamParams {
  double lr, beta1, beta2, eps;
  bool amsgrad;
};

// Kingma & Ba, section 7.1: u = max(beta2 u, |d| + eps);  p -= lr / (1-beta1^step) m / u.
// state: m, u.
struct AdamaxParams {
  double lr, beta1, beta2, eps;
};

// Dozat, ICLR 2016 workshop: p -= (factors[0] d + factors[1] m) / (sqrt(v / (1-beta2^step)) + eps).
// state: m, v.
struct NadamParams {
  double lr, beta1, beta2, eps;
};

// Liu et al., arXiv 1908.03265: Adam, its variance rectified once that is tractable, momentum
// before.  state: m, v.
struct RadamParams {
  double lr, beta1, beta2, eps;
};

// Duchi et al., JMLR 2011: s += d^2;  p -= lr / (1 + (step-1) lr_decay) d / (sqrt(s) + eps).
// state: s.
struct AdagradParams {
  double lr, lr_decay, eps;
};

// Tieleman & Hinton, 2012: s = alpha s + (1-alpha) d^2, centered minus the squared mean a of d;
// u = d / (sqrt(s - a^2) + eps);  v = momentum v + u;  p -= lr v.
// state: s, v (null without momentum), a (null unless centered).
struct RmspropParams {
  double lr, alpha, eps, momentum;
  bool centered;
};

// Zeiler, arXiv 1212.5701: s = rho s + (1-rho) d^2;  u = sqrt(x + eps) / sqrt(s + eps) d;
// x = rho x + (1-rho) u^2;  p -= lr u.  state: s, x.
struct AdadeltaParams {
  double lr, rho, eps;
};

// Polyak & Juditsky, 1992: p = (1 - lambd eta) p - eta d;  average a += mu (p - a), with
// factors eta, mu.  state: a.
struct AsgdParams {
  double lr, lambd;
};

// Riedmiller & Braun, 1993: the step size s of an element grows by `grow` while its gradient keeps
// its sign; where it turned, s shrinks and the element waits.  state: the last d, s.
struct RpropParams {
  double shrink, grow, smallest, largest;
};

struct Optimizer {
  using Tensors = const OptimizerTensor*;

  void (*sgd)(DType, Tensors, int64_t count, const Penalty&, const SgdParams&);
  void (*adam)(DType, Tensors, int64_t count, const Penalty&, const AdamParams&);
  void (*adamax)(DType, Tensors, int64_t count, const Penalty&, const AdamaxParams&);
  void (*nadam)(DType, Tensors, int64_t count, const Penalty&, const NadamParams&);
  void (*radam)(DType, Tensors, int64_t count, const Penalty&, const RadamParams&);
  void (*adagrad)(DType, Tensors, int64_t count, const Penalty&, const AdagradParams&);
  void (*rmsprop)(DType, Tensors, int64_t count, const Penalty&, const RmspropParams&);
  void (*adadelta)(DType, Tensors, int64_t count, const Penalty&, const AdadeltaParams&);
  void (*asgd)(DType, Tensors, int64_t count, const Penalty&, const AsgdParams&);
  void (*rprop)(DType, Tensors, int64_t count, const Penalty&, const RpropParams&);
};

}  // namespace lamina::kernels

// Losses of one input x and one target y an element, with an optional factor an element.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lamina::kernels {

// l(x, y; a, p): a is an array of its own where it is named, else absent; p are two numbers.
enum class PointwiseLoss {
  mse_loss,              // (x - y)^2
  l1_loss,               // |x - y|
  smooth_l1_loss,        // p: beta.   (x - y)^2 / (2 beta) below beta, |x - y| - beta / 2 beyond
  huber_loss,            // p: delta.  (x - y)^2 / 2 below delta, delta (|x - y| - delta / 2) beyond
  binary_cross_entropy,  // -y log x - (1 - y) log(1 - x), logarithms not below -100
  binary_cross_entropy_with_logits,  // of x = sigmoid(logit); a: the factor of -y log x
  kl_div,                            // y (log y - x), 0 for y = 0
  kl_div_log_target,                 // exp(y) (y - x)
  soft_margin_loss,                  // log(1 + exp(-x y))
  hinge_embedding_loss,              // p: margin.  x for y = 1, max(0, margin - x) for y = -1
  margin_ranking_loss,               // p: margin.  max(0, margin - x y)
  poisson_nll_loss_log,  // p: full.  exp(x) - x y, full: + y log y - y + log(2 pi y) / 2 for y > 1
  poisson_nll_loss,      // p: full, eps.  x - y log(x + eps), and the same
};

// Arrays are dense, of n elements in one order of memory and one dtype, float32 or float64; `a` and
// `weight` may be null for ones.
struct PointwiseLossInput {
  PointwiseLoss loss;
  int64_t n;
  const double* p;  // 2 numbers
  const void *x, *y, *a, *weight;
};

struct PointwiseLosses {
  // out[i] = weight[i] l(x[i], y[i])
  void (*elements)(DType dtype, const PointwiseLossInput& input, void* out);
  // out = scale sum_i weight[i] l(x[i], y[i]), summed in double
  void (*total)(DType dtype, const PointwiseLossInput& input, double scale, void* out);
  // dx[i] = scale g weight[i] dl/dx(x[i], y[i]), where g is g[i], or g[0] with `one_gradient`
  void (*gradient)(DType dtype, const PointwiseLossInput& input, const void* g, bool one_gradient,
                   double scale, void* dx);
  // Whether all elements are from 0 to 1.
  bool (*in_unit_interval)(DType dtype, int64_t n, const void* x);
};

}  // namespace lamina::kernels

// Softmax cross-entropy, fused: with logits x, target t, class weights w and smoothing e over C
// classes,
//   loss = (1-e) w_t (s - x_t) + e/C sum_c w_c (s - x_c),   s = log sum_c exp(x_c)
//   dx_c = dloss [ (1-e) w_t (p_c - [c=t]) + e/C (p_c sum w - w_c) ],   p_c = exp(x_c - s).
// Without log_softmax the scores are log-probabilities: loss = -w_t x_t.
//
// One read of the scores forward, one read and one write backward; bound by memory for many
// classes, by exp for few. Here the scores of a target lie side by side; cross_entropy_columns.h
// has the others.
#include "kernels/cross_entropy.h"

#include "core/parallel.h"
#include "cpu/cross_entropy_columns.h"
#include "cpu/scalar_math.h"
#include "cpu/shuffle.h"
#include "cpu/vec_math.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// log sum exp of x[0..n); a NaN or +Inf among them shows in the result.
template <class T>
LAMINA_INLINE T log_sum_exp(const T* x, int64_t n) {
  constexpr int64_t L = kLanes<T>;
  constexpr T lowest = -__builtin_huge_val();
  const auto lanes_at = [&](int64_t c) { return static_cast<int>(n - c < L ? n - c : L); };
  Vec<T> tops = broadcast(lowest);
  for (int64_t c = 0; c < n; c += L) tops = maximum(tops, load_lanes(x + c, lanes_at(c), lowest));
  const T top = reduce_lanes<T>(tops, [](Vec<T> a, Vec<T> b) { return maximum(a, b); });
  if (top == lowest) return lowest;
  Vec<T> sums{};
  for (int64_t c = 0; c < n; c += L)
    sums += math::exp(load_lanes(x + c, lanes_at(c), lowest) - top);
  return top + scalar::log(sum_lanes<T>(sums));
}

// body(i) for every target, in chunks of some 8192 scores.
template <class Body>
LAMINA_INLINE void for_each_target(const CrossEntropyParams& p, const Body& body) {
  const int64_t grain = p.classes < 8192 ? 8192 / (p.classes > 0 ? p.classes : 1) : 1;
  parallel_for(p.outer, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(i);
  });
}

template <class T>
void forward_of(const CrossEntropyParams& p, const T* scores, const int64_t* targets,
                const T* weight, T* losses, T* log_sums, T* weights_used) {
  if (p.inner > 1)
    return forward_columns(p, scores, targets, weight, losses, log_sums, weights_used);
  const T smooth = static_cast<T>(p.label_smoothing),
          share = smooth / static_cast<T>(p.classes > 0 ? p.classes : 1);
  for_each_target(p, [&](int64_t i) {
    const T* x = scores + i * p.classes;
    const T s = p.log_softmax ? log_sum_exp(x, p.classes) : T(0);
    if (p.log_softmax) log_sums[i] = s;
    if (targets[i] == p.ignore_index) {
      losses[i] = weights_used[i] = 0;
      return;
    }
    const T w = class_weight(weight, targets[i]);
    T loss = (1 - smooth) * w * (s - x[targets[i]]);
    if (smooth != 0) {
      T spread = 0;
      for (int64_t c = 0; c < p.classes; ++c) spread += class_weight(weight, c) * (s - x[c]);
      loss += share * spread;
    }
    losses[i] = loss;
    weights_used[i] = w;
  });
}

template <class T>
void backward_of(const CrossEntropyParams& p, const T* scores, const int64_t* targets,
                 const T* weight, const T* log_sums, const T* dlosses, T* dscores) {
  const T smooth = static_cast<T>(p.label_smoothing),
          share = smooth / static_cast<T>(p.classes > 0 ? p.classes : 1);
  T total_weight = 0;
  for (int64_t c = 0; c < p.classes; ++c) total_weight += class_weight(weight, c);
  if (p.inner > 1)
    return backward_columns(p, scores, targets, weight, total_weight, log_sums, dlosses, dscores);
  for_each_target(p, [&](int64_t i) {
    const T* x = scores + i * p.classes;
    T* dx = dscores + i * p.classes;
    const bool ignored = targets[i] == p.ignore_index;
    if (ignored || !p.log_softmax) {
      for (int64_t c = 0; c < p.classes; ++c) dx[c] = 0;
      if (!ignored) dx[targets[i]] = -dlosses[i] * class_weight(weight, targets[i]);
      return;
    }
    const T g = dlosses[i], s = log_sums[i], w = class_weight(weight, targets[i]);
    const T of_probability = g * ((1 - smooth) * w + share * total_weight);
    constexpr int64_t L = kLanes<T>;
    for (int64_t c = 0; c < p.classes; c += L) {
      const int lanes = static_cast<int>(p.classes - c < L ? p.classes - c : L);
      store_lanes(dx + c, math::exp(load_lanes(x + c, lanes) - s) * of_probability, lanes);
    }
    if (smooth != 0)
      for (int64_t k = 0; k < p.classes; ++k) dx[k] -= g * share * class_weight(weight, k);
    dx[targets[i]] -= g * (1 - smooth) * w;
  });
}

void forward(DType dtype, const CrossEntropyParams& params, const void* scores,
             const int64_t* targets, const void* weight, void* losses, void* log_sums,
             void* weights_used) {
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    forward_of(params, static_cast<const T*>(scores), targets, static_cast<const T*>(weight),
               static_cast<T*>(losses), static_cast<T*>(log_sums), static_cast<T*>(weights_used));
  });
}

void backward(DType dtype, const CrossEntropyParams& params, const void* scores,
              const int64_t* targets, const void* weight, const void* log_sums, const void* dlosses,
              void* dscores) {
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    backward_of(params, static_cast<const T*>(scores), targets, static_cast<const T*>(weight),
                static_cast<const T*>(log_sums), static_cast<const T*>(dlosses),
                static_cast<T*>(dscores));
  });
}

// In eight chains, so that additions overlap; no number of threads changes them.
template <class T>
LAMINA_INLINE double sum_of(const void* values, int64_t n) {
  constexpr int kChains = 8;
  const T* x = static_cast<const T*>(values);
  double sums[kChains] = {}, all = 0;
  int64_t i = 0;
  for (; i + kChains <= n; i += kChains)
    for (int k = 0; k < kChains; ++k) sums[k] += static_cast<double>(x[i + k]);
  for (; i < n; ++i) all += static_cast<double>(x[i]);
  for (const double sum : sums) all += sum;
  return all;
}

void total(DType dtype, int64_t n, bool mean, const void* losses, const void* weights_used,
           void* loss, void* divisor) {
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    const double weight = mean ? sum_of<T>(weights_used, n) : 1;
    *static_cast<T*>(divisor) = static_cast<T>(weight);
    *static_cast<T*>(loss) = static_cast<T>(sum_of<T>(losses, n) / weight);
  });
}

}  // namespace

LAMINA_CPU_KERNELS(CrossEntropy, cross_entropy){&forward, &backward, &total};

}  // namespace lamina::cpu::LAMINA_ISA

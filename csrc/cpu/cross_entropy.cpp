// Softmax cross-entropy, fused: with logits x, target t, class weights w and smoothing e over C
// classes,
//   loss = (1-e) w_t (s - x_t) + e/C sum_c w_c (s - x_c),   s = log sum_c exp(x_c)
//   dx_c = dloss [ (1-e) w_t (p_c - [c=t]) + e/C (p_c sum w - w_c) ],   p_c = exp(x_c - s).
// Without log_softmax the scores are log-probabilities: loss = -w_t x_t.
//
// One read of the scores forward, one read and one write backward; bound by memory for many
// classes, by exp for few.
#include "kernels/cross_entropy.h"

#include "core/parallel.h"
#include "cpu/scalar_math.h"
#include "cpu/vec_math.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::CrossEntropyParams;

// log sum exp of x[0], x[stride], ...; a NaN or +Inf among them shows in the result.
template <class T>
LAMINA_INLINE T log_sum_exp(const T* x, int64_t n, int64_t stride) {
  constexpr int lanes = kLanes<T>;
  constexpr T lowest = -__builtin_huge_val();
  Vec<T> tops = broadcast(lowest);
  int64_t done = 0;
  if (stride == 1)
    for (; done + lanes <= n; done += lanes) tops = maximum(tops, load(x + done));
  T top = lowest;
  const auto raise = [&](T v) { top = v > top || v != v ? v : top; };
  for (int j = 0; j < lanes; ++j) raise(tops[j]);
  for (int64_t c = done; c < n; ++c) raise(x[c * stride]);
  if (top == lowest) return lowest;
  Vec<T> sums{};
  T part[lanes];
  for (int64_t c = 0; c < n; c += lanes) {
    Vec<T> v;
    if (stride == 1 && c + lanes <= n) {
      v = load(x + c);
    } else {
      for (int j = 0; j < lanes; ++j) part[j] = c + j < n ? x[(c + j) * stride] : lowest;
      v = load(part);
    }
    sums += math::exp(v - top);
  }
  T sum = 0;
  for (int j = 0; j < lanes; ++j) sum += sums[j];
  return top + scalar::log(sum);
}

template <class T>
LAMINA_INLINE T weight_of(const T* weight, int64_t c) {
  return weight ? weight[c] : T(1);
}

// body(i, offset of the first score) for every target, in chunks of some 8192 scores.
template <class Body>
LAMINA_INLINE void for_each_target(const CrossEntropyParams& p, const Body& body) {
  const int64_t grain = p.classes < 8192 ? 8192 / (p.classes > 0 ? p.classes : 1) : 1;
  parallel_for(p.outer * p.inner, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(i, i / p.inner * p.classes * p.inner + i % p.inner);
  });
}

template <class T>
void forward_of(const CrossEntropyParams& p, const T* scores, const int64_t* targets,
                const T* weight, T* losses, T* log_sums, T* weights_used) {
  const T smooth = static_cast<T>(p.label_smoothing),
          share = smooth / static_cast<T>(p.classes > 0 ? p.classes : 1);
  for_each_target(p, [&](int64_t i, int64_t at) {
    const T* x = scores + at;
    const T s = p.log_softmax ? log_sum_exp(x, p.classes, p.inner) : T(0);
    if (p.log_softmax) log_sums[i] = s;
    if (targets[i] == p.ignore_index) {
      losses[i] = weights_used[i] = 0;
      return;
    }
    const T w = weight_of(weight, targets[i]);
    T loss = (1 - smooth) * w * (s - x[targets[i] * p.inner]);
    if (smooth != 0) {
      T spread = 0;
      for (int64_t c = 0; c < p.classes; ++c) spread += weight_of(weight, c) * (s - x[c * p.inner]);
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
  for (int64_t c = 0; c < p.classes; ++c) total_weight += weight_of(weight, c);
  for_each_target(p, [&](int64_t i, int64_t at) {
    const T* x = scores + at;
    T* dx = dscores + at;
    const bool ignored = targets[i] == p.ignore_index;
    if (ignored || !p.log_softmax) {
      for (int64_t c = 0; c < p.classes; ++c) dx[c * p.inner] = 0;
      if (!ignored) dx[targets[i] * p.inner] = -dlosses[i] * weight_of(weight, targets[i]);
      return;
    }
    const T g = dlosses[i], s = log_sums[i], w = weight_of(weight, targets[i]);
    const T of_probability = g * ((1 - smooth) * w + share * total_weight);
    constexpr int lanes = kLanes<T>;
    int64_t c = 0;
    if (p.inner == 1)
      for (; c + lanes <= p.classes; c += lanes)
        store(dx + c, math::exp(load(x + c) - s) * of_probability);
    for (; c < p.classes; c += lanes) {
      const int n = static_cast<int>(p.classes - c < lanes ? p.classes - c : lanes);
      Vec<T> v{};
      for (int j = 0; j < n; ++j) v[j] = x[(c + j) * p.inner];
      v = math::exp(v - s) * of_probability;
      for (int j = 0; j < n; ++j) dx[(c + j) * p.inner] = v[j];
    }
    if (smooth != 0)
      for (int64_t k = 0; k < p.classes; ++k) dx[k * p.inner] -= g * share * weight_of(weight, k);
    dx[targets[i] * p.inner] -= g * (1 - smooth) * w;
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

// Summed in the order of the elements, a chain that no number of threads changes.
void total(DType dtype, int64_t n, bool mean, const void* losses, const void* weights_used,
           void* loss, void* divisor) {
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    double sum = 0, weight = mean ? 0 : 1;
    for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(static_cast<const T*>(losses)[i]);
    for (int64_t i = 0; mean && i < n; ++i)
      weight += static_cast<double>(static_cast<const T*>(weights_used)[i]);
    *static_cast<T*>(divisor) = static_cast<T>(weight);
    *static_cast<T*>(loss) = static_cast<T>(sum / weight);
  });
}

}  // namespace

LAMINA_CPU_KERNELS(CrossEntropy, cross_entropy){&forward, &backward, &total};

}  // namespace lamina::cpu::LAMINA_ISA

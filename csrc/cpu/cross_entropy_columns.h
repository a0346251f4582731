// Cross-entropy where the scores of one target lie `inner` apart, as in images (N, classes, H, W):
// neighbouring targets share vectors, one class after another.
//
// Their scores, classes x lanes, stay in the L1 cache between the maximum, the exponentials and the
// rest; bound by memory for few classes, by exp beyond.
#pragma once

#include "core/parallel.h"
#include "cpu/lanes.h"
#include "cpu/vec_math.h"
#include "kernels/cross_entropy.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::CrossEntropyParams;

// Neighbouring targets, the first at index `first`.
template <class T>
struct Column {
  int64_t first, offset;  // offset: of the first target's first score
  int lanes;
  Vec<T> kept, weight;  // kept: 0 where the target is ignored; weight: of the target's class, or 0
};

template <class T>
LAMINA_INLINE T class_weight(const T* weight, int64_t c) {
  return weight ? weight[c] : T(1);
}

// body(column) for all targets, in chunks of some 8192 scores.
template <class T, class Body>
LAMINA_INLINE void for_each_column(const CrossEntropyParams& p, const int64_t* targets,
                                   const T* weight, const Body& body) {
  constexpr int64_t L = kLanes<T>;
  const int64_t columns = (p.inner + L - 1) / L, scores = p.classes * L;
  parallel_for(p.outer * columns, scores < 8192 ? 8192 / (scores > 0 ? scores : 1) : 1,
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t n = i / columns, at = i % columns * L;
                   Column<T> q;
                   q.first = n * p.inner + at;
                   q.offset = n * p.classes * p.inner + at;
                   q.lanes = static_cast<int>(p.inner - at < L ? p.inner - at : L);
                   q.kept = q.weight = Vec<T>{};
                   for (int j = 0; j < q.lanes; ++j) {
                     const int64_t t = targets[q.first + j];
                     if (t == p.ignore_index) continue;
                     q.kept[j] = 1;
                     q.weight[j] = class_weight(weight, t);
                   }
                   body(q);
                 }
               });
}

// log sum exp over the classes.
template <class T>
LAMINA_INLINE Vec<T> column_log_sum(const T* x, const CrossEntropyParams& p, int lanes) {
  constexpr T lowest = -__builtin_huge_val();
  Vec<T> top = broadcast(lowest), sum{};
  for (int64_t c = 0; c < p.classes; ++c) top = maximum(top, load_lanes(x + c * p.inner, lanes));
  const Vec<T> base = top == lowest ? Vec<T>{} : top;
  for (int64_t c = 0; c < p.classes; ++c)
    sum += math::exp(load_lanes(x + c * p.inner, lanes) - base);
  return base + math::log(sum);
}

template <class T>
void forward_columns(const CrossEntropyParams& p, const T* scores, const int64_t* targets,
                     const T* weight, T* losses, T* log_sums, T* weights_used) {
  const T smooth = static_cast<T>(p.label_smoothing),
          share = smooth / static_cast<T>(p.classes > 0 ? p.classes : 1);
  for_each_column(p, targets, weight, [&](const Column<T>& q) {
    const T* x = scores + q.offset;
    const Vec<T> s = p.log_softmax ? column_log_sum(x, p, q.lanes) : Vec<T>{};
    if (p.log_softmax) store_lanes(log_sums + q.first, s, q.lanes);
    Vec<T> picked{};
    for (int j = 0; j < q.lanes; ++j)
      if (q.kept[j] != 0) picked[j] = x[targets[q.first + j] * p.inner + j];
    Vec<T> loss = (1 - smooth) * q.weight * (s - picked);
    if (smooth != 0) {
      Vec<T> spread{};
      for (int64_t c = 0; c < p.classes; ++c)
        spread += class_weight(weight, c) * (s - load_lanes(x + c * p.inner, q.lanes));
      loss += share * spread;
    }
    store_lanes(losses + q.first, q.kept != 0 ? loss : Vec<T>{}, q.lanes);
    store_lanes(weights_used + q.first, q.weight, q.lanes);
  });
}

template <class T>
void backward_columns(const CrossEntropyParams& p, const T* scores, const int64_t* targets,
                      const T* weight, T total_weight, const T* log_sums, const T* dlosses,
                      T* dscores) {
  const T smooth = static_cast<T>(p.label_smoothing),
          share = smooth / static_cast<T>(p.classes > 0 ? p.classes : 1);
  for_each_column(p, targets, weight, [&](const Column<T>& q) {
    const T* x = scores + q.offset;
    T* dx = dscores + q.offset;
    const Vec<T> g = load_lanes(dlosses + q.first, q.lanes);
    const Vec<T> s = p.log_softmax ? load_lanes(log_sums + q.first, q.lanes) : Vec<T>{};
    const Vec<T> of_probability = g * ((1 - smooth) * q.weight + share * total_weight);
    for (int64_t c = 0; c < p.classes; ++c) {
      Vec<T> d{};
      if (p.log_softmax) {
        d = math::exp(load_lanes(x + c * p.inner, q.lanes) - s) * of_probability -
            g * (share * class_weight(weight, c));
        d = q.kept != 0 ? d : Vec<T>{};
      }
      store_lanes(dx + c * p.inner, d, q.lanes);
    }
    for (int j = 0; j < q.lanes; ++j)
      if (q.kept[j] != 0)
        dx[targets[q.first + j] * p.inner + j] -= g[j] * (1 - smooth) * q.weight[j];
  });
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

// What all update rules share: the pass over pieces of all tensors, and the gradient with its
// penalties.
//
// A rule is a class template over the element type: made once a piece from (tensor, penalty,
// params), called with the index of each element.
#pragma once

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/scalar_math.h"
#include "cpu/vec.h"
#include "kernels/optimizer.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::OptimizerTensor;
using kernels::Penalty;

constexpr int64_t kPiece = 8192;
constexpr int64_t kMostPieces = 16;  // a chunk: long enough runs for the processor to read ahead

// body(tensor, begin, end) over pieces of all tensors.
template <class Body>
LAMINA_INLINE void for_each_piece(const OptimizerTensor* tensors, int64_t count, const Body& body) {
  Scratch memory(static_cast<size_t>(count + 1) * sizeof(int64_t));
  int64_t* first = memory.as<int64_t>();  // first[i]: pieces before tensor i
  first[0] = 0;
  for (int64_t i = 0; i < count; ++i)
    first[i + 1] = first[i] + (tensors[i].n + kPiece - 1) / kPiece;
  const int64_t share = first[count] / 64;
  const int64_t grain = share < 2 ? 2 : share < kMostPieces ? share : kMostPieces;
  parallel_for(first[count], grain, [&](int64_t begin, int64_t end) {
    int64_t i = 0;
    for (int64_t piece = begin; piece < end; ++piece) {
      while (first[i + 1] <= piece) ++i;
      const int64_t start = (piece - first[i]) * kPiece;
      const int64_t stop = start + kPiece < tensors[i].n ? start + kPiece : tensors[i].n;
      body(tensors[i], start, stop);
    }
  });
}

template <template <class> class Rule, class Params>
void update(DType dtype, const OptimizerTensor* tensors, int64_t count, const Penalty& penalty,
            const Params& params) {
  visit_real(dtype, [&](auto tag) {
    for_each_piece(tensors, count, [&](const OptimizerTensor& t, int64_t begin, int64_t end) {
      const Rule<decltype(tag)> rule(t, penalty, params);
#pragma GCC ivdep
      for (int64_t i = begin; i < end; ++i) rule(i);
    });
  });
}

template <class T>
LAMINA_INLINE T sign(T x) {
  return static_cast<T>(x > 0) - static_cast<T>(x < 0);
}

// A parameter, and its gradient as the rule sees it.
template <class T>
struct Target {
  T* p;
  const T* g;
  T direction, decay, l1;  // of the gradient
  T shrink, shrink_l1;     // of the parameter itself, where decay is decoupled

  Target(const OptimizerTensor& t, const Penalty& penalty, double lr)
      : p(static_cast<T*>(t.param)),
        g(static_cast<const T*>(t.grad)),
        direction(penalty.maximize ? T(-1) : T(1)),
        decay(static_cast<T>(penalty.decoupled ? 0 : penalty.weight_decay)),
        l1(static_cast<T>(penalty.decoupled ? 0 : penalty.l1_decay)),
        shrink(static_cast<T>(penalty.decoupled ? 1 - lr * penalty.weight_decay : 1)),
        shrink_l1(static_cast<T>(penalty.decoupled ? lr * penalty.l1_decay : 0)) {}

  LAMINA_INLINE T gradient(int64_t i) const {
    return direction * g[i] + decay * p[i] + l1 * sign(p[i]);
  }
  LAMINA_INLINE void step(int64_t i, T amount) const {
    p[i] = shrink * p[i] - shrink_l1 * sign(p[i]) - amount;
  }
};

template <class T>
LAMINA_INLINE T* state_of(const OptimizerTensor& t, int k) {
  return static_cast<T*>(t.state[k]);
}

// 1 - beta^step: how much weight a running mean that began at 0 has gathered.
LAMINA_INLINE double gathered(double beta, double step) { return 1 - __builtin_pow(beta, step); }

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

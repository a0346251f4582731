// Fused optimizer steps: one pass over parameter, gradient and state of every tensor.
//
// Bound by bytes: SGD with momentum reads three and writes two values an element, Adam reads four
// and writes three. All tensors are cut into pieces of kPiece elements that threads take in any
// order; each element is computed alone, so the result does not depend on it.
#include "kernels/optimizer.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/vec.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::AdamParams;
using kernels::OptimizerTensor;
using kernels::SgdParams;

constexpr int64_t kPiece = 8192;

// body(tensor, begin, end) over pieces of all tensors.
template <class Body>
LAMINA_INLINE void for_each_piece(const OptimizerTensor* tensors, int64_t count, const Body& body) {
  Scratch memory(static_cast<size_t>(count + 1) * sizeof(int64_t));
  int64_t* first = memory.as<int64_t>();  // first[i]: pieces before tensor i
  first[0] = 0;
  for (int64_t i = 0; i < count; ++i)
    first[i + 1] = first[i] + (tensors[i].n + kPiece - 1) / kPiece;
  parallel_for(first[count], 2, [&](int64_t begin, int64_t end) {
    int64_t i = 0;
    for (int64_t piece = begin; piece < end; ++piece) {
      while (first[i + 1] <= piece) ++i;
      const int64_t start = (piece - first[i]) * kPiece;
      const int64_t stop = start + kPiece < tensors[i].n ? start + kPiece : tensors[i].n;
      body(tensors[i], start, stop);
    }
  });
}

template <class T>
void sgd_piece(const OptimizerTensor& t, int64_t begin, int64_t end, const SgdParams& s) {
  T* __restrict p = static_cast<T*>(t.param);
  const T* __restrict g = static_cast<const T*>(t.grad);
  T* __restrict v = static_cast<T*>(t.state[0]);
  const T lr = static_cast<T>(s.lr), momentum = static_cast<T>(s.momentum),
          decay = static_cast<T>(s.weight_decay);
  const T sign = s.maximize ? T(-1) : T(1);
  if (s.momentum == 0) {
    for (int64_t i = begin; i < end; ++i) p[i] -= lr * (sign * g[i] + decay * p[i]);
    return;
  }
  const T keep = t.first ? T(0) : momentum, take = t.first ? T(1) : static_cast<T>(1 - s.dampening);
  if (s.nesterov) {
    for (int64_t i = begin; i < end; ++i) {
      const T d = sign * g[i] + decay * p[i];
      v[i] = keep * v[i] + take * d;
      p[i] -= lr * (d + momentum * v[i]);
    }
  } else {
    for (int64_t i = begin; i < end; ++i) {
      v[i] = keep * v[i] + take * (sign * g[i] + decay * p[i]);
      p[i] -= lr * v[i];
    }
  }
}

template <class T>
LAMINA_INLINE T square_root(T x) {
  if constexpr (sizeof(T) == 4) return __builtin_sqrtf(x);
  return __builtin_sqrt(x);
}

template <class T>
void adam_piece(const OptimizerTensor& t, int64_t begin, int64_t end, const AdamParams& s) {
  T* __restrict p = static_cast<T*>(t.param);
  const T* __restrict g = static_cast<const T*>(t.grad);
  T* __restrict m = static_cast<T*>(t.state[0]);
  T* __restrict v = static_cast<T*>(t.state[1]);
  T* __restrict top = static_cast<T*>(t.state[2]);
  const T b1 = static_cast<T>(s.beta1), b2 = static_cast<T>(s.beta2), eps = static_cast<T>(s.eps);
  const T c1 = static_cast<T>(1 - s.beta1), c2 = static_cast<T>(1 - s.beta2);
  const T step = static_cast<T>(s.lr / (1 - __builtin_pow(s.beta1, t.step)));
  const T scale = static_cast<T>(1 / __builtin_sqrt(1 - __builtin_pow(s.beta2, t.step)));
  const T shrink = s.decoupled ? static_cast<T>(1 - s.lr * s.weight_decay) : T(1);
  const T decay = s.decoupled ? T(0) : static_cast<T>(s.weight_decay);
  const T sign = s.maximize ? T(-1) : T(1);
  const auto update = [&](int64_t i) {
    const T d = sign * g[i] + decay * p[i];
    m[i] = b1 * m[i] + c1 * d;
    v[i] = b2 * v[i] + c2 * d * d;
  };
  if (s.amsgrad) {
    for (int64_t i = begin; i < end; ++i) {
      update(i);
      top[i] = top[i] < v[i] ? v[i] : top[i];
      p[i] = shrink * p[i] - step * m[i] / (square_root(top[i]) * scale + eps);
    }
  } else {
    for (int64_t i = begin; i < end; ++i) {
      update(i);
      p[i] = shrink * p[i] - step * m[i] / (square_root(v[i]) * scale + eps);
    }
  }
}

void sgd(DType dtype, const OptimizerTensor* tensors, int64_t count, const SgdParams& params) {
  visit_real(dtype, [&](auto tag) {
    for_each_piece(tensors, count, [&](const OptimizerTensor& t, int64_t begin, int64_t end) {
      sgd_piece<decltype(tag)>(t, begin, end, params);
    });
  });
}

void adam(DType dtype, const OptimizerTensor* tensors, int64_t count, const AdamParams& params) {
  visit_real(dtype, [&](auto tag) {
    for_each_piece(tensors, count, [&](const OptimizerTensor& t, int64_t begin, int64_t end) {
      adam_piece<decltype(tag)>(t, begin, end, params);
    });
  });
}

}  // namespace

LAMINA_CPU_KERNELS(Optimizer, optimizer){&sgd, &adam};

}  // namespace lamina::cpu::LAMINA_ISA

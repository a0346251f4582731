// Fused optimizer steps: one launch for up to kMostTensors tensors, whose places travel as its
// argument.
//
// Bound by bytes: SGD with momentum reads three and writes two values an element, Adam reads four and
// writes three.  Blocks take pieces of kPiece elements of whichever tensor they fall in.
#include "core/dtype.h"
#include "cuda/convert.h"
#include "cuda/launch.h"
#include "kernels/optimizer.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using kernels::AdamParams;
using kernels::OptimizerTensor;
using kernels::SgdParams;

constexpr int kThreads = 256, kPiece = kThreads * kPack, kMostTensors = 32;

struct Tensor {
  void* param;
  const void* grad;
  void* state[3];
  int64_t n;
  double step, scale;  // adam: lr / (1 - beta1^t), 1 / sqrt(1 - beta2^t)
  bool first;          // sgd
};

struct Tensors {
  Tensor list[kMostTensors];
  unsigned first_piece[kMostTensors + 1];
};

template <class T>
struct SgdRule {
  T lr, momentum, dampening, decay, sign;
  bool nesterov;

  explicit SgdRule(const SgdParams& s)
      : lr(static_cast<T>(s.lr)),
        momentum(static_cast<T>(s.momentum)),
        dampening(static_cast<T>(s.dampening)),
        decay(static_cast<T>(s.weight_decay)),
        sign(s.maximize ? T(-1) : T(1)),
        nesterov(s.nesterov) {}

  __device__ __forceinline__ void update(const Tensor& t, int64_t i) const {
    T* p = static_cast<T*>(t.param) + i;
    const T d = sign * static_cast<const T*>(t.grad)[i] + decay * *p;
    if (momentum == 0) {
      *p -= lr * d;
      return;
    }
    T* v = static_cast<T*>(t.state[0]) + i;
    *v = t.first ? d : momentum * *v + (1 - dampening) * d;
    *p -= lr * (nesterov ? d + momentum * *v : *v);
  }
};

template <class T>
struct AdamRule {
  T beta1, beta2, rest1, rest2, eps, shrink, decay, sign;
  bool amsgrad;

  explicit AdamRule(const AdamParams& s)
      : beta1(static_cast<T>(s.beta1)),
        beta2(static_cast<T>(s.beta2)),
        rest1(static_cast<T>(1 - s.beta1)),
        rest2(static_cast<T>(1 - s.beta2)),
        eps(static_cast<T>(s.eps)),
        shrink(s.decoupled ? static_cast<T>(1 - s.lr * s.weight_decay) : T(1)),
        decay(s.decoupled ? T(0) : static_cast<T>(s.weight_decay)),
        sign(s.maximize ? T(-1) : T(1)),
        amsgrad(s.amsgrad) {}

  __device__ __forceinline__ void update(const Tensor& t, int64_t i) const {
    T* p = static_cast<T*>(t.param) + i;
    T *m = static_cast<T*>(t.state[0]) + i, *v = static_cast<T*>(t.state[1]) + i;
    const T d = sign * static_cast<const T*>(t.grad)[i] + decay * *p;
    *m = beta1 * *m + rest1 * d;
    *v = beta2 * *v + rest2 * d * d;
    T second = *v;
    if (amsgrad) {
      T* top = static_cast<T*>(t.state[2]) + i;
      second = *top = *top < second ? second : *top;
    }
    *p = shrink * *p - static_cast<T>(t.step) * *m / (sqrt(second) * static_cast<T>(t.scale) + eps);
  }
};

template <class Rule>
__global__ void __launch_bounds__(kThreads) step_kernel(const Tensors tensors, const Rule rule) {
  int k = 0;
  while (tensors.first_piece[k + 1] <= blockIdx.x) ++k;
  const Tensor& t = tensors.list[k];
  const int64_t begin = int64_t{blockIdx.x - tensors.first_piece[k]} * kPiece;
  for (int j = 0; j < kPack; ++j) {
    const int64_t i = begin + j * kThreads + threadIdx.x;
    if (i < t.n) rule.update(t, i);
  }
}

template <class Rule, class Fill>
void launch_steps(const OptimizerTensor* tensors, int64_t count, const Rule& rule, Fill fill) {
  for (int64_t begin = 0; begin < count; begin += kMostTensors) {
    Tensors some{};
    const int64_t n = count - begin < kMostTensors ? count - begin : kMostTensors;
    for (int64_t k = 0; k < kMostTensors; ++k) {
      const int64_t elements = k < n ? tensors[begin + k].n : 0;
      if (k < n) some.list[k] = fill(tensors[begin + k]);
      some.first_piece[k + 1] =
          some.first_piece[k] + static_cast<unsigned>((elements + kPiece - 1) / kPiece);
    }
    const unsigned blocks = some.first_piece[kMostTensors];
    if (blocks > 0) launch(&step_kernel<Rule>, blocks, kThreads, 0, stream(), some, rule);
  }
}

Tensor place(const OptimizerTensor& t) {
  return {t.param, t.grad, {t.state[0], t.state[1], t.state[2]}, t.n, 0, 0, t.first};
}

void sgd(DType dtype, const OptimizerTensor* tensors, int64_t count, const SgdParams& params) {
  visit_real(dtype, [&](auto tag) {
    launch_steps(tensors, count, SgdRule<decltype(tag)>(params), &place);
  });
}

void adam(DType dtype, const OptimizerTensor* tensors, int64_t count, const AdamParams& params) {
  visit_real(dtype, [&](auto tag) {
    launch_steps(tensors, count, AdamRule<decltype(tag)>(params), [&](const OptimizerTensor& t) {
      Tensor placed = place(t);
      placed.step = params.lr / (1 - pow(params.beta1, t.step));
      placed.scale = 1 / sqrt(1 - pow(params.beta2, t.step));
      return placed;
    });
  });
}

}  // namespace

LAMINA_CUDA_KERNELS(Optimizer, optimizer){&sgd, &adam};

}  // namespace lamina::cuda

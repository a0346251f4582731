// Connectionist temporal classification (Graves et al., ICML 2006), forward and backward in log
// space:
//   alpha_t(s) = log_p_t(l'_s) + logsumexp(alpha_{t-1}(s), alpha_{t-1}(s-1), alpha_{t-1}(s-2)),
// the last only where l'_s is a label that differs from l'_{s-2}; beta the same from the end; the
// posterior of a class is the sum over its positions of exp(alpha + beta - log_p + loss).
//
// A block walks one sequence's steps, its threads the positions: bound by the latency of a step.
// Gradients then take a block a step of a sequence, without atomics: the positions of one label
// form a chain, which the thread of the first of them sums.  A step reads three entries of the
// table a position and writes one, and ends in a barrier; the tables of alpha and beta, 8 bytes a
// position and step in float32, pass through memory once more in the gradient, which also writes
// its 4 bytes a class: for 16 sequences of 200 steps, 101 positions and 32 classes 2.6 MB and 0.4
// MB, some 1.5 us written and read at the 4.3 TB/s that an H200 copies; the 200 steps one after the other
// are what counts.  Compiled and emulated, not yet run on a device.
#include <math.h>

#include "core/cuda.h"
#include "cuda/check_range.h"
#include "cuda/reduce.h"
#include "cuda/scratch.h"
#include "kernels/ctc.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using kernels::CtcParams;

constexpr int kThreads = 256;

template <class T>
__device__ __forceinline__ T lowest() {
  return -static_cast<T>(INFINITY);
}

template <class T>
__device__ __forceinline__ T log_sum_exp(T a, T b, T c) {
  const T two = a > b ? a : b, top = two > c ? two : c;
  const T base = top == lowest<T>() ? T(0) : top;
  return base + log(exp(a - base) + exp(b - base) + exp(c - base));
}

// One sequence.
template <class T>
struct Sequence {
  const CtcParams& p;
  int64_t n, steps, positions;
  const int64_t* labels;
  const T* log_probs;

  __device__ Sequence(const CtcParams& params, int64_t index, const T* all)
      : p(params),
        n(index),
        steps(params.input_lengths[index]),
        positions(2 * params.label_lengths[index] + 1),
        labels(params.labels + params.offsets[index]),
        log_probs(all) {}

  __device__ int64_t label(int64_t i) const {  // the blank in place of one that is out of range
    return labels[i] >= 0 && labels[i] < p.classes ? labels[i] : p.blank;
  }
  __device__ int64_t class_of(int64_t s) const { return s & 1 ? label(s >> 1) : p.blank; }
  __device__ const T* step(int64_t t) const { return log_probs + (t * p.batch + n) * p.classes; }
  __device__ int64_t row(int64_t t) const { return (n * p.steps + t) * p.positions; }
};

// The table of one direction: alpha from the first step on (direction 1) or beta from the last
// (-1).  blockIdx.x: a sequence.
template <class T, int direction>
__global__ void __launch_bounds__(kThreads)
    table_kernel(const CtcParams p, const T* log_probs, T* table) {
  const Sequence<T> q(p, blockIdx.x, log_probs);
  const int64_t begin = direction > 0 ? 0 : q.positions - 1;  // where paths begin
  for (int64_t k = 0; k < q.steps; ++k) {
    const int64_t t = direction > 0 ? k : q.steps - 1 - k;
    const T* emitted = q.step(t);
    const T* from = table + q.row(t - direction);
    T* to = table + q.row(t);
    for (int64_t s = threadIdx.x; s < q.positions; s += kThreads) {
      const auto before = [&](int64_t distance) {
        const int64_t other = s - direction * distance;
        return other >= 0 && other < q.positions ? from[other] : lowest<T>();
      };
      T sum;
      if (k == 0) {
        sum = s == begin || s == begin + direction ? T(0) : lowest<T>();
      } else {
        const int64_t two = s - 2 * direction;
        const bool skips =
            s & 1 && two >= 0 && two < q.positions && q.class_of(s) != q.class_of(two);
        sum = log_sum_exp(before(0), before(1), skips ? before(2) : lowest<T>());
      }
      to[s] = sum + emitted[q.class_of(s)];
    }
    __syncthreads();
  }
}

// A thread a sequence.
template <class T>
__global__ void __launch_bounds__(kThreads)
    loss_kernel(const CtcParams p, const RangeCheck check, const T* log_alpha, T* losses) {
  const int64_t n = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (n >= p.batch) return;
  const Sequence<T> q(p, n, nullptr);
  for (int64_t i = 0; i < p.label_lengths[n]; ++i) in_range(check, q.labels[i], 0, p.classes);
  if (q.steps == 0) {
    losses[n] = q.positions == 1 ? T(0) : -lowest<T>();
    return;
  }
  const T* last = log_alpha + q.row(q.steps - 1) + q.positions - 1;
  losses[n] = -log_sum_exp(last[0], q.positions > 1 ? last[-1] : lowest<T>(), lowest<T>());
}

// The labels of a sequence that are one class: each knows the next.
struct Link {
  int next;    // -1: none
  bool first;  // of a class that is not the blank
};

// A thread a label, blockIdx.x: a sequence.
template <class T>
__global__ void __launch_bounds__(kThreads) link_kernel(const CtcParams p, int most, Link* links) {
  const Sequence<T> q(p, blockIdx.x, nullptr);
  const int count = static_cast<int>(p.label_lengths[blockIdx.x]);
  for (int i = threadIdx.x; i < count; i += kThreads) {
    const int64_t label = q.label(i);
    Link link{-1, label != p.blank};
    for (int j = 0; j < i && link.first; ++j) link.first = q.label(j) != label;
    for (int j = i + 1; j < count && link.next < 0; ++j)
      if (q.label(j) == label) link.next = j;
    links[int64_t{blockIdx.x} * most + i] = link;
  }
}

// dx of one step of a sequence: the probability of each class less its posterior.
template <class T>
__global__ void __launch_bounds__(kThreads)
    gradient_kernel(const CtcParams p, const T* log_probs, const T* losses, const T* log_alpha,
                    const T* log_beta, const T* dlosses, bool zero_infinity, int most,
                    const Link* links, T* dlog_probs) {
  LAMINA_SHARED(T, warps, [kThreads / kWarpSize]);
  const int64_t t = blockIdx.x / p.batch, n = blockIdx.x % p.batch;
  const Sequence<T> q(p, n, log_probs);
  const T loss = losses[n], g = dlosses[n];
  const bool unreachable = loss == -lowest<T>();
  T* dx = dlog_probs + (t * p.batch + n) * p.classes;
  if (t >= q.steps || unreachable) {  // no path: the posterior is 0 / 0
    const T value = t >= q.steps || zero_infinity ? T(0) : static_cast<T>(NAN);
    for (int64_t c = threadIdx.x; c < p.classes; c += kThreads) dx[c] = value;
    return;
  }
  const T* x = q.step(t);
  const auto share = [&](int64_t s) {  // of position s in the posterior of its class
    const T both = log_alpha[q.row(t) + s] + log_beta[q.row(t) + s];
    return both == lowest<T>() ? T(0) : exp(both + loss - x[q.class_of(s)]) * g;
  };
  T blanks = 0;
  for (int64_t s = threadIdx.x; s < q.positions; s += kThreads)
    if (q.class_of(s) == p.blank) blanks += share(s);
  blanks = block_reduce<kThreads>(blanks, warps, [](T a, T b) { return a + b; });
  for (int64_t c = threadIdx.x; c < p.classes; c += kThreads)
    dx[c] = exp(x[c]) * g - (c == p.blank ? blanks : T(0));
  __syncthreads();
  const Link* chain = links + n * most;
  for (int64_t i = threadIdx.x; i < p.label_lengths[n]; i += kThreads) {
    if (!chain[i].first) continue;
    T sum = 0;
    for (int64_t k = i; k >= 0; k = chain[k].next) sum += share(2 * k + 1);
    dx[q.label(i)] -= sum;
  }
}

// The parameters with their arrays on the device.
struct OnDevice {
  DeviceScratch memory;
  CtcParams params;

  explicit OnDevice(const CtcParams& p)
      : memory(static_cast<size_t>(3 * p.batch) * sizeof(int64_t)), params(p) {
    const Device here{DeviceType::cuda, static_cast<int8_t>(active_device())};
    int64_t* next = memory.as<int64_t>();
    for (const int64_t** array : {&params.offsets, &params.input_lengths, &params.label_lengths}) {
      transfer(next, here, *array, Device{}, static_cast<size_t>(p.batch) * sizeof(int64_t));
      *array = next;
      next += p.batch;
    }
  }
};

template <class T>
void forward_as(const CtcParams& given, const T* log_probs, T* losses, T* log_alpha) {
  const OnDevice here(given);
  const CtcParams& p = here.params;
  launch(&table_kernel<T, 1>, static_cast<unsigned>(p.batch), kThreads, 0, stream(), p, log_probs,
         log_alpha);
  launch(&loss_kernel<T>, blocks_for(p.batch, kThreads), kThreads, 0, stream(), p,
         range_check("ctc_loss"), static_cast<const T*>(log_alpha), losses);
}

template <class T>
void backward_as(const CtcParams& given, const T* log_probs, const T* losses, const T* log_alpha,
                 const T* dlosses, bool zero_infinity, T* dlog_probs) {
  const OnDevice here(given);
  const CtcParams& p = here.params;
  const int most = static_cast<int>(p.positions / 2);
  const DeviceScratch table(static_cast<size_t>(p.batch * p.steps * p.positions) * sizeof(T));
  const DeviceScratch links(static_cast<size_t>(p.batch * most + 1) * sizeof(Link));
  const auto batch = static_cast<unsigned>(p.batch);
  launch(&table_kernel<T, -1>, batch, kThreads, 0, stream(), p, log_probs, table.as<T>());
  launch(&link_kernel<T>, batch, kThreads, 0, stream(), p, most, links.as<Link>());
  launch(&gradient_kernel<T>, static_cast<unsigned>(p.steps * p.batch), kThreads, 0, stream(), p,
         log_probs, losses, log_alpha, static_cast<const T*>(table.as<T>()), dlosses, zero_infinity,
         most, static_cast<const Link*>(links.as<Link>()), dlog_probs);
}

void forward(DType dtype, const CtcParams& p, const void* log_probs, void* losses,
             void* log_alpha) {
  if (p.batch == 0) return;
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    forward_as(p, static_cast<const T*>(log_probs), static_cast<T*>(losses),
               static_cast<T*>(log_alpha));
  });
}

void backward(DType dtype, const CtcParams& p, const void* log_probs, const void* losses,
              const void* log_alpha, const void* dlosses, bool zero_infinity, void* dlog_probs) {
  if (p.batch == 0 || p.steps == 0) return;
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    backward_as(p, static_cast<const T*>(log_probs), static_cast<const T*>(losses),
                static_cast<const T*>(log_alpha), static_cast<const T*>(dlosses), zero_infinity,
                static_cast<T*>(dlog_probs));
  });
}

}  // namespace

LAMINA_CUDA_KERNELS(Ctc, ctc){&forward, &backward};

}  // namespace lamina::cuda

// Softmax cross-entropy and negative log-likelihood with class targets.
//
//   loss_i = (1 - s) w_t (L - x_t) + s / classes * sum_c w_c (L - x_c),   L = log sum_c exp x_c
//
// with label smoothing s and target t; without log_softmax, L = 0 and s = 0.  Backward computes the
// probabilities again from the scores and L.  Bound by the scores' bytes: one read forward, one
// read and one write backward, 4 and 8 bytes a float32 score; 8192 rows of 32000 are 1.05 GB, 0.24
// and 0.49 ms at the 4.3 TB/s that an H200 copies.  Compiled and emulated, not yet run on a device.
#include "core/dtype.h"
#include "cuda/check_range.h"
#include "cuda/log_sum_exp.h"
#include "cuda/rows.h"
#include "cuda/scratch.h"
#include "kernels/cross_entropy.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using kernels::CrossEntropyParams;

constexpr int kThreads = 256;
constexpr int64_t kMostParts = 256;  // blocks that sum losses

template <class T>
__device__ __forceinline__ T weight_of(const T* weight, int64_t c) {
  return weight ? weight[c] : T(1);
}

template <class T, int lanes>
__global__ void __launch_bounds__(kRowThreads)
    forward_kernel(const Rows rows, const CrossEntropyParams p, const RangeCheck check,
                   const T* scores, const int64_t* targets, const T* weight, T* losses, T* log_sums,
                   T* weights_used) {
  const Row<lanes> row(rows);
  T log_sum = 0, spread = 0;
  if (p.log_softmax) {
    const SumExp<T> total = row_sum_exp(row, scores);
    log_sum = total.top + log(total.sum);
  }
  if (p.label_smoothing != 0) {
    row.each(
        [&](int64_t c, int64_t at) { spread += weight_of(weight, c) * (log_sum - scores[at]); });
    spread = row.sum(spread);
  }
  if (!row.leads()) return;
  if (p.log_softmax) log_sums[row.index] = log_sum;
  const int64_t target = targets[row.index];
  T loss = 0, used = 0;
  if (target != p.ignore_index && in_range(check, target, 0, p.classes)) {
    const T smooth = static_cast<T>(p.label_smoothing);
    used = weight_of(weight, target);
    loss = (1 - smooth) * used * (log_sum - scores[row.base + target * p.inner]) +
           smooth / static_cast<T>(p.classes) * spread;
  }
  losses[row.index] = loss;
  weights_used[row.index] = used;
}

template <class T, int lanes>
__global__ void __launch_bounds__(kRowThreads, 4)
    backward_kernel(const Rows rows, const CrossEntropyParams p, const T* scores,
                    const int64_t* targets, const T* weight, const T* log_sums, const T* dlosses,
                    T* dscores) {
  const Row<lanes> row(rows);
  const T smooth = static_cast<T>(p.label_smoothing), share = smooth / static_cast<T>(p.classes);
  T total_weight = 0;
  if (p.label_smoothing != 0) {
    row.each([&](int64_t c, int64_t) { total_weight += weight_of(weight, c); });
    total_weight = row.sum(total_weight);
  }
  if (!row.exists) return;
  const int64_t target = targets[row.index];
  const bool counts = target != p.ignore_index && target >= 0 && target < p.classes;
  const T g = counts ? dlosses[row.index] : T(0), w = counts ? weight_of(weight, target) : T(0);
  const T log_sum = p.log_softmax ? log_sums[row.index] : T(0);
  const T of_probability = g * ((1 - smooth) * w + share * total_weight);
  row.each([&](int64_t c, int64_t at) {
    T d = 0;
    if (counts && p.log_softmax) {
      d = exp(scores[at] - log_sum) * of_probability;
      if (p.label_smoothing != 0) d -= g * share * weight_of(weight, c);
    }
    if (c == target) d -= g * (1 - smooth) * w;
    dscores[at] = d;
  });
}

struct Totals {
  double loss, weight;
};

__device__ __forceinline__ Totals add(Totals a, Totals b) {
  return {a.loss + b.loss, a.weight + b.weight};
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    part_kernel(int64_t n, int64_t per_block, const T* losses, const T* weights, Totals* parts) {
  LAMINA_SHARED(Totals, warps, [kThreads / kWarpSize]);
  const int64_t begin = blockIdx.x * per_block;
  const int64_t end = n - begin < per_block ? n : begin + per_block;
  Totals sums{0, 0};
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads)
    sums = add(sums, {static_cast<double>(losses[i]), static_cast<double>(weights[i])});
  sums = block_reduce<kThreads>(sums, warps, add);
  if (threadIdx.x == 0) parts[blockIdx.x] = sums;
}

template <class T>
__global__ void total_kernel(int64_t count, bool mean, const Totals* parts, T* loss, T* divisor) {
  Totals sums{0, 0};
  for (int64_t i = 0; i < count; ++i) sums = add(sums, parts[i]);
  const double by = mean ? sums.weight : 1;
  *divisor = static_cast<T>(by);
  *loss = static_cast<T>(sums.loss / by);
}

Rows rows_of(const CrossEntropyParams& p) { return {p.outer * p.inner, p.classes, p.inner}; }

void forward(DType dtype, const CrossEntropyParams& p, const void* scores, const int64_t* targets,
             const void* weight, void* losses, void* log_sums, void* weights_used) {
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    launch_rows(
        rows_of(p), [](auto lanes) { return &forward_kernel<T, decltype(lanes)::value>; }, p,
        range_check(p.log_softmax ? "cross_entropy" : "nll_loss"), static_cast<const T*>(scores),
        targets, static_cast<const T*>(weight), static_cast<T*>(losses), static_cast<T*>(log_sums),
        static_cast<T*>(weights_used));
  });
}

void backward(DType dtype, const CrossEntropyParams& p, const void* scores, const int64_t* targets,
              const void* weight, const void* log_sums, const void* dlosses, void* dscores) {
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    launch_rows(
        rows_of(p), [](auto lanes) { return &backward_kernel<T, decltype(lanes)::value>; }, p,
        static_cast<const T*>(scores), targets, static_cast<const T*>(weight),
        static_cast<const T*>(log_sums), static_cast<const T*>(dlosses), static_cast<T*>(dscores));
  });
}

void total(DType dtype, int64_t n, bool mean, const void* losses, const void* weights_used,
           void* loss, void* divisor) {
  const int64_t wanted = (n + kThreads - 1) / kThreads;
  const int64_t parts = wanted < 1 ? 1 : wanted < kMostParts ? wanted : kMostParts;
  const DeviceScratch sums(static_cast<size_t>(parts) * sizeof(Totals));
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    launch(&part_kernel<T>, static_cast<unsigned>(parts), kThreads, 0, stream(), n,
           (n + parts - 1) / parts, static_cast<const T*>(losses),
           static_cast<const T*>(weights_used), sums.as<Totals>());
    launch(&total_kernel<T>, 1, 1, 0, stream(), parts, mean,
           static_cast<const Totals*>(sums.as<Totals>()), static_cast<T*>(loss),
           static_cast<T*>(divisor));
  });
}

}  // namespace

LAMINA_CUDA_KERNELS(CrossEntropy, cross_entropy){&forward, &backward, &total};

}  // namespace lamina::cuda

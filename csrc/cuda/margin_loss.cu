// Hinge losses of rows of scores: the multiclass SVM (Weston & Watkins, 1999; Crammer & Singer,
// 2001) and its form for several labels.
//
// Threads of a row share its scores (cuda/rows.h).  With several labels, a first launch makes a
// copy of the scores in which those of labels are -inf, whose hinge is 0; then every score meets
// every label.  Bound by bytes with one label a row: 4 a float32 score forward, 8 backward, a
// million rows of 100 scores in 93 and 186 us at the 4.3 TB/s that an H200 copies; by arithmetic,
// classes times labels, with several.  Compiled and emulated, not yet run on a device.
#include <math.h>

#include "core/dtype.h"
#include "cuda/check_range.h"
#include "cuda/rows.h"
#include "cuda/scratch.h"
#include "kernels/margin_loss.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using kernels::MarginLossParams;

template <class T>
__device__ __forceinline__ T factor_of(const MarginLossParams& p, const T* weight, int64_t target) {
  return (weight ? weight[target] : T(1)) / static_cast<T>(p.classes);
}

template <class T, int lanes>
__global__ void __launch_bounds__(kRowThreads)
    forward_kernel(const Rows rows, const MarginLossParams p, const RangeCheck check, const T* x,
                   const int64_t* targets, const T* weight, T* losses) {
  const Row<lanes> row(rows);
  const int64_t target = row.exists ? targets[row.index] : 0;
  const bool valid = target >= 0 && target < p.classes;
  T sum = 0;
  if (valid && row.exists) {
    const T offset = static_cast<T>(p.margin) - x[row.base + target];
    row.each([&](int64_t c, int64_t at) {
      const T z = x[at] + offset, h = z < 0 ? T(0) : z;  // NaN stays
      if (c != target) sum += p.squared ? h * h : h;
    });
  }
  sum = row.sum(sum);
  if (row.leads())
    losses[row.index] =
        in_range(check, target, 0, p.classes) ? sum * factor_of(p, weight, target) : T(0);
}

template <class T, int lanes>
__global__ void __launch_bounds__(kRowThreads)
    backward_kernel(const Rows rows, const MarginLossParams p, const T* x, const int64_t* targets,
                    const T* weight, const T* dlosses, T* dx) {
  const Row<lanes> row(rows);
  const int64_t target = row.exists ? targets[row.index] : 0;
  const bool valid = row.exists && target >= 0 && target < p.classes;
  const T g = valid ? dlosses[row.index] * factor_of(p, weight, target) : T(0);
  const T offset = static_cast<T>(p.margin) - (valid ? x[row.base + target] : T(0));
  T sum = 0;
  row.each([&](int64_t c, int64_t at) {
    const T z = x[at] + offset;
    const T d = z > 0 && c != target ? (p.squared ? 2 * z * g : g) : T(0);
    sum += d;
    dx[at] = d;
  });
  sum = row.sum(sum);
  __syncthreads();  // all of dx is written
  if (valid && row.first == 0) dx[row.base + target] = -sum;
}

// ---- several labels

// others: x with -inf for labels.  counts: labels of each row.
template <class T, int lanes>
__global__ void __launch_bounds__(kRowThreads, 2)
    hide_kernel(const Rows rows, const RangeCheck check, const T* x, const int64_t* targets,
                T* others, int64_t* counts) {
  const Row<lanes> row(rows);
  int64_t end = rows.n;
  row.each([&](int64_t k, int64_t at) {
    others[at] = x[at];
    if (targets[at] < 0 && k < end) end = k;
  });
  const int64_t count = row.reduce(end, [](int64_t a, int64_t b) { return a < b ? a : b; });
  __syncthreads();  // the copy is done
  row.each([&](int64_t k, int64_t at) {
    if (in_range(check, targets[at], -1, rows.n) && k < count)
      others[row.base + targets[at]] = -static_cast<T>(INFINITY);
  });
  if (row.leads()) counts[row.index] = count;
}

// f(score of the label) for the labels of a row, and which it is.
template <class T, class F>
__device__ __forceinline__ void for_labels(const T* x, const int64_t* labels, int64_t count,
                                           int64_t classes, F f) {
  for (int64_t k = 0; k < count; ++k)
    if (labels[k] < classes) f(x[labels[k]], labels[k]);
}

template <class T, int lanes>
__global__ void __launch_bounds__(kRowThreads)
    multilabel_forward_kernel(const Rows rows, T margin, const T* x, const T* others,
                              const int64_t* targets, const int64_t* counts, T* losses) {
  const Row<lanes> row(rows);
  const int64_t count = row.exists ? counts[row.index] : 0;
  T sum = 0;
  row.each([&](int64_t, int64_t at) {
    for_labels(x + row.base, targets + row.base, count, rows.n, [&](T score, int64_t) {
      const T z = others[at] + (margin - score);
      sum += z < 0 ? T(0) : z;  // NaN stays
    });
  });
  sum = row.sum(sum);
  if (row.leads()) losses[row.index] = sum / static_cast<T>(rows.n);
}

// A score that is no label's gains with each label's hinge; a label's loses with each other score's.
template <class T, int lanes>
__global__ void __launch_bounds__(kRowThreads)
    multilabel_backward_kernel(const Rows rows, T margin, const T* x, const T* others,
                               const int64_t* targets, const int64_t* counts, const T* dlosses,
                               T* dx) {
  const Row<lanes> row(rows);
  const int64_t count = row.exists ? counts[row.index] : 0;
  const T g = row.exists ? dlosses[row.index] / static_cast<T>(rows.n) : T(0);
  row.each([&](int64_t c, int64_t at) {
    T hinges = 0;
    int64_t times = 0;  // that c is a label
    for_labels(x + row.base, targets + row.base, count, rows.n, [&](T score, int64_t label) {
      hinges += others[at] + (margin - score) > 0 ? T(1) : T(0);
      times += label == c;
    });
    if (times > 0) {
      T taken = 0;
      for (int64_t j = 0; j < rows.n; ++j)
        taken += others[row.base + j] + (margin - x[at]) > 0 ? T(1) : T(0);
      hinges -= static_cast<T>(times) * taken;
    }
    dx[at] = hinges * g;
  });
}

Rows rows_of(const MarginLossParams& p) { return {p.rows, p.classes, 1}; }

void forward(DType dtype, const MarginLossParams& p, const void* x, const int64_t* targets,
             const void* weight, void* losses) {
  if (p.rows == 0) return;
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    launch_rows(
        rows_of(p), [](auto lanes) { return &forward_kernel<T, decltype(lanes)::value>; }, p,
        range_check("multi_margin_loss"), static_cast<const T*>(x), targets,
        static_cast<const T*>(weight), static_cast<T*>(losses));
  });
}

void backward(DType dtype, const MarginLossParams& p, const void* x, const int64_t* targets,
              const void* weight, const void* dlosses, void* dx) {
  if (p.rows == 0) return;
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    launch_rows(
        rows_of(p), [](auto lanes) { return &backward_kernel<T, decltype(lanes)::value>; }, p,
        static_cast<const T*>(x), targets, static_cast<const T*>(weight),
        static_cast<const T*>(dlosses), static_cast<T*>(dx));
  });
}

// What both directions of several labels begin with.
template <class T>
struct Hidden {
  DeviceScratch memory;
  T* others;
  int64_t* counts;

  Hidden(const MarginLossParams& p, const T* x, const int64_t* targets)
      : memory(static_cast<size_t>(p.rows) * (sizeof(int64_t) + p.classes * sizeof(T))),
        others(reinterpret_cast<T*>(memory.as<int64_t>() + p.rows)),
        counts(memory.as<int64_t>()) {
    launch_rows(
        rows_of(p), [](auto lanes) { return &hide_kernel<T, decltype(lanes)::value>; },
        range_check("multilabel_margin_loss"), x, targets, others, counts);
  }
};

template <class T>
void multilabel_forward_as(const MarginLossParams& p, const T* x, const int64_t* targets,
                           T* losses) {
  const Hidden<T> hidden(p, x, targets);
  launch_rows(
      rows_of(p), [](auto lanes) { return &multilabel_forward_kernel<T, decltype(lanes)::value>; },
      static_cast<T>(p.margin), x, static_cast<const T*>(hidden.others), targets,
      static_cast<const int64_t*>(hidden.counts), losses);
}

void multilabel_forward(DType dtype, const MarginLossParams& p, const void* x,
                        const int64_t* targets, void* losses) {
  if (p.rows == 0) return;
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    multilabel_forward_as(p, static_cast<const T*>(x), targets, static_cast<T*>(losses));
  });
}

template <class T>
void multilabel_backward_as(const MarginLossParams& p, const T* x, const int64_t* targets,
                            const T* dlosses, T* dx) {
  const Hidden<T> hidden(p, x, targets);
  launch_rows(
      rows_of(p), [](auto lanes) { return &multilabel_backward_kernel<T, decltype(lanes)::value>; },
      static_cast<T>(p.margin), x, static_cast<const T*>(hidden.others), targets,
      static_cast<const int64_t*>(hidden.counts), dlosses, dx);
}

void multilabel_backward(DType dtype, const MarginLossParams& p, const void* x,
                         const int64_t* targets, const void* dlosses, void* dx) {
  if (p.rows == 0) return;
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    multilabel_backward_as(p, static_cast<const T*>(x), targets, static_cast<const T*>(dlosses),
                           static_cast<T*>(dx));
  });
}

}  // namespace

LAMINA_CUDA_KERNELS(MarginLosses, margin_loss){&forward, &backward, &multilabel_forward,
                                               &multilabel_backward};

}  // namespace lamina::cuda

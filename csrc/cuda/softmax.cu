// Softmax: y_i = exp(x_i - max x) / sum_j exp(x_j - max x); log-softmax: x_i - max x - log sum.
//
// Two passes over a row: one for maximum and sum together, one for the result; the second finds
// rows of up to some thousand elements in the L1 cache.  Bound by bytes: one read and one write
// forward, two and one backward, 8 and 12 an element of float32: 8192 rows of 4096 take 62 and 94
// us at the 4.3 TB/s that an H200 copies.  Compiled and emulated, not yet run on a device.
#include "core/dtype.h"
#include "cuda/log_sum_exp.h"
#include "cuda/rows.h"
#include "kernels/registry.h"
#include "kernels/softmax.h"

namespace lamina::cuda {
namespace {

using kernels::SoftmaxShape;

template <class T, bool logarithm, int lanes>
__global__ void __launch_bounds__(kRowThreads) forward_kernel(const Rows rows, const T* x, T* y) {
  const Row<lanes> row(rows);
  const SumExp<T> total = row_sum_exp(row, x);
  const T log_sum = logarithm ? log(total.sum) : T(0), scale = 1 / total.sum;
  row.each([&](int64_t, int64_t at) {
    const T apart = x[at] - total.top;
    y[at] = logarithm ? apart - log_sum : exp(apart) * scale;
  });
}

// dx = y (dy - sum(dy y)), or for the logarithm dy - exp(y) sum(dy).
template <class T, bool logarithm, int lanes>
__global__ void __launch_bounds__(kRowThreads, 2)
    backward_kernel(const Rows rows, const T* y, const T* dy, T* dx) {
  const Row<lanes> row(rows);
  T sum = 0;
  row.each([&](int64_t, int64_t at) { sum += logarithm ? dy[at] : dy[at] * y[at]; });
  sum = row.sum(sum);
  row.each([&](int64_t, int64_t at) {
    dx[at] = logarithm ? dy[at] - exp(y[at]) * sum : y[at] * (dy[at] - sum);
  });
}

template <class F>
void visit_case(DType dtype, bool logarithm, F f) {
  visit_real(dtype, [&](auto tag) {
    if (logarithm)
      f(tag, std::bool_constant<true>());
    else
      f(tag, std::bool_constant<false>());
  });
}

void forward(DType dtype, const SoftmaxShape& s, bool logarithm, const void* x, void* y) {
  visit_case(dtype, logarithm, [&](auto tag, auto of_log) {
    using T = decltype(tag);
    launch_rows(
        {s.outer * s.inner, s.n, s.inner},
        [](auto lanes) {
          return &forward_kernel<T, decltype(of_log)::value, decltype(lanes)::value>;
        },
        static_cast<const T*>(x), static_cast<T*>(y));
  });
}

void backward(DType dtype, const SoftmaxShape& s, bool logarithm, const void* y, const void* dy,
              void* dx) {
  visit_case(dtype, logarithm, [&](auto tag, auto of_log) {
    using T = decltype(tag);
    launch_rows(
        {s.outer * s.inner, s.n, s.inner},
        [](auto lanes) {
          return &backward_kernel<T, decltype(of_log)::value, decltype(lanes)::value>;
        },
        static_cast<const T*>(y), static_cast<const T*>(dy), static_cast<T*>(dx));
  });
}

}  // namespace

LAMINA_CUDA_KERNELS(Softmax, softmax){&forward, &backward};

}  // namespace lamina::cuda

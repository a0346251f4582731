// Losses an element, fused with their weights and their sum.  Bound by bytes: x and y are read
// once, 8 an element of float32, 4 more with weights or where losses are not summed; backward reads
// both and writes the gradient, 12: 1e8 elements in 0.19 and 0.28 ms at the 4.3 TB/s that an H200
// copies.  Which loss it is, all threads agree on: one branch a warp.  Compiled and emulated, not
// yet run on a device.
#include "core/dtype.h"
#include "cuda/findings.h"
#include "cuda/pointwise_loss_math.h"
#include "cuda/reduce.h"
#include "cuda/scratch.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using kernels::PointwiseLoss;
using kernels::PointwiseLossInput;

constexpr int kThreads = 256;
constexpr int64_t kMostParts = 256;  // blocks that sum losses

template <class T>
struct Input {
  PointwiseLoss loss;
  int64_t n;
  T p, q;
  const T *x, *y, *a, *weight;

  explicit Input(const PointwiseLossInput& in)
      : loss(in.loss),
        n(in.n),
        p(static_cast<T>(in.p[0])),
        q(static_cast<T>(in.p[1])),
        x(static_cast<const T*>(in.x)),
        y(static_cast<const T*>(in.y)),
        a(static_cast<const T*>(in.a)),
        weight(static_cast<const T*>(in.weight)) {}

  __device__ __forceinline__ T factor(int64_t i) const { return weight ? weight[i] : T(1); }
  __device__ __forceinline__ T positive(int64_t i) const { return a ? a[i] : T(1); }
  __device__ __forceinline__ T value(int64_t i) const {
    return factor(i) * math::pointwise_loss(loss, x[i], y[i], positive(i), p, q);
  }
  __device__ __forceinline__ T slope(int64_t i) const {
    return factor(i) * math::pointwise_loss_slope(loss, x[i], y[i], positive(i), p, q);
  }
};

template <class T>
__global__ void __launch_bounds__(kThreads) elements_kernel(const Input<T> in, T* out) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < in.n) out[i] = in.value(i);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    gradient_kernel(const Input<T> in, const T* g, bool one_gradient, T scale, T* dx) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < in.n) dx[i] = in.slope(i) * (scale * g[one_gradient ? 0 : i]);
}

__device__ __forceinline__ double add(double a, double b) { return a + b; }

template <class T>
__global__ void __launch_bounds__(kThreads)
    part_kernel(const Input<T> in, int64_t per_block, double* parts) {
  LAMINA_SHARED(double, warps, [kThreads / kWarpSize]);
  const int64_t begin = blockIdx.x * per_block;
  const int64_t end = in.n - begin < per_block ? in.n : begin + per_block;
  double sum = 0;
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads)
    sum += static_cast<double>(in.value(i));
  sum = block_reduce<kThreads>(sum, warps, add);
  if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

template <class T>
__global__ void total_kernel(int64_t count, double scale, const double* parts, T* out) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += parts[i];
  *out = static_cast<T>(sum * scale);
}

void elements(DType dtype, const PointwiseLossInput& in, void* out) {
  if (in.n == 0) return;
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    launch(&elements_kernel<T>, blocks_for(in.n, kThreads), kThreads, 0, stream(), Input<T>(in),
           static_cast<T*>(out));
  });
}

void total(DType dtype, const PointwiseLossInput& in, double scale, void* out) {
  const int64_t wanted = (in.n + kThreads - 1) / kThreads;
  const int64_t parts = wanted < 1 ? 1 : wanted < kMostParts ? wanted : kMostParts;
  const DeviceScratch sums(static_cast<size_t>(parts) * sizeof(double));
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    launch(&part_kernel<T>, static_cast<unsigned>(parts), kThreads, 0, stream(), Input<T>(in),
           (in.n + parts - 1) / parts, sums.as<double>());
    launch(&total_kernel<T>, 1, 1, 0, stream(), parts, scale,
           static_cast<const double*>(sums.as<double>()), static_cast<T*>(out));
  });
}

void gradient(DType dtype, const PointwiseLossInput& in, const void* g, bool one_gradient,
              double scale, void* dx) {
  if (in.n == 0) return;
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    launch(&gradient_kernel<T>, blocks_for(in.n, kThreads), kThreads, 0, stream(), Input<T>(in),
           static_cast<const T*>(g), one_gradient, static_cast<T>(scale), static_cast<T*>(dx));
  });
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    unit_interval_kernel(int64_t n, const T* x, Findings* findings) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < n && !(x[i] >= 0 && x[i] <= 1)) atomicMax(&findings->at[0], 1);  // NaN too
}

bool in_unit_interval(DType dtype, int64_t n, const void* x) {
  if (n == 0) return true;
  const Record record;
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    launch(&unit_interval_kernel<T>, blocks_for(n, kThreads), kThreads, 0, stream(), n,
           static_cast<const T*>(x), record.data());
  });
  return record.read().at[0] == 0;
}

}  // namespace

LAMINA_CUDA_KERNELS(PointwiseLosses, pointwise_loss){&elements, &total, &gradient,
                                                     &in_unit_interval};

}  // namespace lamina::cuda

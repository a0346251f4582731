// Batch normalisation (Ioffe & Szegedy, arXiv 1502.03167):
//   y = (x - m) / s * weight + bias,  s = sqrt(v + eps),
//   dx = weight / s (dy - mean(dy) - xhat mean(dy xhat)),  xhat = (x - m) / s.
//
// Forward is two passes (sums by channel; y) with a launch between them for the channels'
// coefficients, backward likewise (sums; dx).  After a convolution that has left its moments
// (gemm_moments.h) the sums come from those, and forward is one pass.  Bound by bytes: 2 reads and
// 1 write of the data forward, 1 and 1 with moments, 4 and 1 backward; ReLU costs none, a residual
// 1 read forward, 1 and 1 backward.  In float32 12, 8 and 20 bytes an element: of 32 images of 256
// channels, 56 x 56, 103 MB, 72, 48 and 120 us at the 4.3 TB/s that an H200 copies.  Compiled and
// emulated, not yet run on a device.
#include "cuda/channel_norm.h"
#include "kernels/batch_norm.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using kernels::BatchNormBackward;
using kernels::BatchNormForward;
using kernels::BatchNormShape;

template <class T>
ChannelNorm<T> norm_of(const BatchNormShape& s, const void* weight, const void* bias) {
  return {{1, s.outer, s.channels, s.inner},
          1,
          s.channels,
          static_cast<const T*>(weight),
          static_cast<const T*>(bias)};
}

// What y is computed from: the batch's own statistics, the running ones, or those computed before.
enum class Source { batch, running, given };

template <class T, Source source>
__global__ void __launch_bounds__(kColumnThreads)
    coefficients_kernel(const ChannelNorm<T> norm, const Statistics<T> s,
                        const Coefficients<T> coefficients) {
  const int64_t c = int64_t{blockIdx.x} * kColumnThreads + threadIdx.x;
  if (c >= norm.parameters) return;
  if constexpr (source == Source::running) {
    s.mean[c] = s.running_mean[c];
    s.inv_std[c] = static_cast<T>(1 / sqrt(static_cast<double>(s.running_var[c]) + s.eps));
  }
  set_affine(norm, coefficients, c, s.mean[c], s.inv_std[c]);
}

template <class T, Source source>
void forward_of(const BatchNormForward& a) {
  const auto norm = norm_of<T>(a.shape, a.weight, a.bias);
  const auto* x = static_cast<const T*>(a.x);
  const Statistics<T> s{a.eps,
                        a.momentum,
                        static_cast<T*>(a.mean),
                        static_cast<T*>(a.inv_std),
                        nullptr,
                        static_cast<T*>(a.running_mean),
                        static_cast<T*>(a.running_var)};
  const CoefficientMemory<T> memory(norm.columns.count());
  if constexpr (source == Source::batch) {
    const kernels::Moments& m = a.moments;
    if (m.count > 0)
      add_up_statistics(norm, MomentParts{m.parts, m.rows, a.shape.outer * a.shape.inner}, m.count,
                        x, s, memory.get());
    else
      take_statistics(norm, x, s, memory.get());
  } else {
    launch(&coefficients_kernel<T, source>, blocks_for(a.shape.channels, kColumnThreads),
           kColumnThreads, 0, stream(), norm, s, memory.get());
  }
  normalize(norm.columns, Normalize<T>{x, static_cast<const T*>(a.residual), static_cast<T*>(a.y),
                                       a.relu, memory.get()});
}

template <Source source>
void forward(const BatchNormForward& a) {
  visit_real(a.dtype, [&](auto tag) { forward_of<decltype(tag), source>(a); });
}

void backward(const BatchNormBackward& a) {
  visit_real(a.dtype, [&](auto tag) {
    using T = decltype(tag);
    channel_norm_backward<T>(norm_of<T>(a.shape, a.weight, a.bias),
                             {static_cast<const T*>(a.x), static_cast<const T*>(a.dy),
                              static_cast<const T*>(a.y), static_cast<T*>(a.dresidual), a.relu},
                             static_cast<const T*>(a.mean), static_cast<const T*>(a.inv_std),
                             a.batch_statistics, static_cast<T*>(a.dx), static_cast<T*>(a.dweight),
                             static_cast<T*>(a.dbias));
  });
}

}  // namespace

LAMINA_CUDA_KERNELS(BatchNorm, batch_norm){&forward<Source::batch>, &forward<Source::running>,
                                           &forward<Source::given>, &backward};

}  // namespace lamina::cuda

// Group normalisation (Wu & He, arXiv 1803.08494) over the channels of a group and all positions of
// an image, and instance normalisation (Ulyanov et al., arXiv 1607.08022), with one channel a group:
//   y = (x - m) / s * weight + bias,  s = sqrt(v + eps),
//   dx = 1 / s (g - mean(g) - xhat mean(g xhat)),  g = dy weight,  xhat = (x - m) / s.
//
// As batch norm, with a column for each channel of each image: sums by column, coefficients, map.
// Images are many or large, so the columns of both layouts fill a device.  Bound by bytes: 2 reads
// and 1 write of the data forward, 4 and 1 backward, 12 and 20 bytes an element of float32, less
// where the second pass hits the L2 cache; 103 MB of data take 72 and 120 us at the 4.3 TB/s that
// an H200 copies.  Compiled and emulated, not yet run on a device.
#include "cuda/channel_norm.h"
#include "kernels/group_norm.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using kernels::GroupNormBackward;
using kernels::GroupNormForward;
using kernels::GroupNormShape;

template <class T>
ChannelNorm<T> norm_of(const GroupNormShape& s, const void* weight, const void* bias) {
  const int64_t channels = s.groups * s.channels;
  const Columns columns = s.channels_last ? Columns{s.images, s.inner, channels, 1}
                                          : Columns{1, 1, s.images * channels, s.inner};
  return {columns, s.channels, channels, static_cast<const T*>(weight),
          static_cast<const T*>(bias)};
}

template <class T>
void forward_of(const GroupNormForward& a) {
  const auto norm = norm_of<T>(a.shape, a.weight, a.bias);
  const auto* x = static_cast<const T*>(a.x);
  const CoefficientMemory<T> memory(norm.columns.count());
  take_statistics(norm, x,
                  Statistics<T>{a.eps, 0, static_cast<T*>(a.mean), static_cast<T*>(a.inv_std),
                                static_cast<T*>(a.var), nullptr, nullptr},
                  memory.get());
  normalize(norm.columns, Normalize<T>{x, nullptr, static_cast<T*>(a.y), false, memory.get()});
}

void forward(const GroupNormForward& a) {
  visit_real(a.dtype, [&](auto tag) { forward_of<decltype(tag)>(a); });
}

void backward(const GroupNormBackward& a) {
  visit_real(a.dtype, [&](auto tag) {
    using T = decltype(tag);
    channel_norm_backward<T>(
        norm_of<T>(a.shape, a.weight, nullptr),
        {static_cast<const T*>(a.x), static_cast<const T*>(a.dy), nullptr, nullptr, false},
        static_cast<const T*>(a.mean), static_cast<const T*>(a.inv_std), true,
        static_cast<T*>(a.dx), static_cast<T*>(a.dweight), static_cast<T*>(a.dbias));
  });
}

}  // namespace

LAMINA_CUDA_KERNELS(GroupNorm, group_norm){&forward, &backward};

}  // namespace lamina::cuda

// Fractional max pooling: a thread an output, which finds its window from its plane's draws and
// goes through it.  Bound by bytes: x is read once where windows do not overlap, and an output's 4
// bytes and its 8 of position are written; halving both sides of float32 planes, 7 bytes an element
// of x, 1e8 of them in 0.16 ms at the 4.3 TB/s that an H200 copies.  Neighbouring windows find each
// other's elements in the L1 cache.  Compiled and emulated, not yet run on a device.
#include "cuda/image.h"
#include "kernels/fractional_pool.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using kernels::FractionalPoolShape;

#include "kernels/fractional_pool.inc"

template <class T>
__global__ void __launch_bounds__(kImageThreads)
    winners_kernel(const FractionalPoolShape s, const ImageItems items, const T* x, const T* draws,
                   int64_t* index) {
  const int64_t item = int64_t{blockIdx.x} * kImageThreads + threadIdx.x;
  if (item >= items.count) return;
  const ImagePlace<false, 1> to(item, items);
  int64_t start[kImageDims];
  for (int d = 0; d < kImageDims; ++d) {
    const int drawn = d - (kImageDims - s.rank);
    const T draw = drawn < 0 ? T(0) : draws[to.unit * s.rank + drawn];
    start[d] = window_start(s.in[d], s.out[d], s.kernel[d], draw, to.place[d]);
  }
  const T* plane = x + to.unit * (s.in[0] * s.in[1] * s.in[2]);
  index[item] = winner(s, plane, start[0], start[1], start[2]);
}

void winners(const FractionalPoolShape& s, const void* x, const void* draws, int64_t* index) {
  const ImageItems items(s.planes, 1, s.out, false, 1);
  visit_real(s.dtype, [&](auto tag) {
    using T = decltype(tag);
    launch(&winners_kernel<T>, blocks_for(items.count, kImageThreads), kImageThreads, 0, stream(),
           s, items, static_cast<const T*>(x), static_cast<const T*>(draws), index);
  });
}

}  // namespace

LAMINA_CUDA_KERNELS(FractionalPool, fractional_pool){&winners};

}  // namespace lamina::cuda

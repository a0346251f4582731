// Mean pooling: y[o] is the sum of window o by its divisor.
//
// As max pooling: forward a thread, or a warp where rows of windows are long, goes through a
// window; backward each position of the input gathers its shares from the windows that hold it.
// Bound by bytes: x read and y written once, or dy read and dx written; 2 x 2 with stride 2: 5
// bytes an element of x in float32 either way, 1e8 of them in 0.12 ms at the 4.3 TB/s that an H200
// copies.  Compiled and emulated, not yet run on a device.
#include "cuda/pool.h"
#include "cuda/reduce.h"

namespace lamina::cuda {
namespace {

// What the mean over a window divides by.
template <class T>
__device__ __forceinline__ T divisor_of(const PoolSizes& s, const PoolDivisor& rule, int64_t od,
                                        int64_t oh, int64_t ow) {
  if (rule.fixed) return static_cast<T>(rule.fixed);
  const int64_t n = divisor(s, rule.count_padding, 0, od) * divisor(s, rule.count_padding, 1, oh);
  return static_cast<T>(n * divisor(s, rule.count_padding, 2, ow));
}

template <class T, bool last, int width, int lanes>
__global__ void __launch_bounds__(kImageThreads, kPoolBlocks)
    forward_kernel(const PoolSizes s, const ImageItems items, const PoolDivisor rule, const T* x,
                   T* y) {
  const int64_t item = (int64_t{blockIdx.x} * kImageThreads + threadIdx.x) / lanes;
  if (item >= items.count) return;  // whole warps, where they share a window
  const ImagePlace<last, width> to(item, items);
  const ImageArray<last> from(s.in, s.channels);
  const T* image = x + to.unit * from.volume() + to.channel;
  Some<T, width> sums{};
  if constexpr (last) {
    each_tap<1>(s, from, to.place[0], to.place[1], to.place[2], [&](int64_t at, int64_t) {
      const Some<T, width> v = load_some<width>(image + at);
      for (int i = 0; i < width; ++i) sums.v[i] += v.v[i];
    });
  } else {
    for (int i = 0; i < width; ++i)
      each_tap<lanes>(s, from, to.place[0], to.place[1], to.place[2] + i,
                      [&](int64_t at, int64_t) { sums.v[i] += image[at]; });
  }
  if constexpr (lanes > 1) {
    sums.v[0] = warp_reduce(sums.v[0], [](T a, T b) { return a + b; });
    if (threadIdx.x % lanes != 0) return;
  }
  T by = 1;
  for (int i = 0; i < width; ++i) {
    if (!last || i == 0) by = divisor_of<T>(s, rule, to.place[0], to.place[1], to.place[2] + i);
    sums.v[i] /= by;
  }
  store_some(y + item * width, sums);
}

template <class T, bool last, int width>
__global__ void __launch_bounds__(kImageThreads, kPoolBlocks)
    backward_kernel(const PoolSizes s, const ImageItems items, const PoolDivisor rule, const T* dy,
                    T* dx) {
  const int64_t item = int64_t{blockIdx.x} * kImageThreads + threadIdx.x;
  if (item >= items.count) return;
  const ImagePlace<last, width> to(item, items);
  const ImageArray<last> from(s.out, s.channels);
  const T* grads = dy + to.unit * from.volume() + to.channel;
  Some<T, width> sums{};
  if constexpr (last) {
    each_window(s, from, to.place[0], to.place[1], to.place[2],
                [&](int64_t at, int64_t, int64_t od, int64_t oh, int64_t ow) {
                  const T share = 1 / divisor_of<T>(s, rule, od, oh, ow);
                  const Some<T, width> g = load_some<width>(grads + at);
                  for (int i = 0; i < width; ++i) sums.v[i] += g.v[i] * share;
                });
  } else {
    for (int i = 0; i < width; ++i)
      each_window(s, from, to.place[0], to.place[1], to.place[2] + i,
                  [&](int64_t at, int64_t, int64_t od, int64_t oh, int64_t ow) {
                    sums.v[i] += grads[at] / divisor_of<T>(s, rule, od, oh, ow);
                  });
  }
  store_some(dx + item * width, sums);
}

template <class T>
void forward(const PoolShape& s, const PoolDivisor& rule, const T* x, T* y) {
  if (pool_shares_windows(s)) {
    const ImageItems items = pool_items(s, s.out, 1);
    return launch(&forward_kernel<T, false, 1, static_cast<int>(kWarpSize)>,
                  blocks_for(items.count, kImageThreads / kWarpSize), kImageThreads, 0, stream(),
                  PoolSizes(s), items, rule, x, y);
  }
  const bool packs = s.channels_last ? pool_packs(s, s.out, {x, y}) : pool_packs(s, s.out, {y});
  visit_image(s.channels_last, packs, [&](auto last, auto width) {
    const ImageItems items = pool_items(s, s.out, decltype(width)::value);
    launch(&forward_kernel<T, decltype(last)::value, decltype(width)::value, 1>,
           blocks_for(items.count, kImageThreads), kImageThreads, 0, stream(), PoolSizes(s), items,
           rule, x, y);
  });
}

template <class T>
void backward(const PoolShape& s, const PoolDivisor& rule, const T* dy, T* dx) {
  const bool packs = s.channels_last ? pool_packs(s, s.in, {dy, dx}) : pool_packs(s, s.in, {dx});
  visit_image(s.channels_last, packs, [&](auto last, auto width) {
    const ImageItems items = pool_items(s, s.in, decltype(width)::value);
    launch(&backward_kernel<T, decltype(last)::value, decltype(width)::value>,
           blocks_for(items.count, kImageThreads), kImageThreads, 0, stream(), PoolSizes(s), items,
           rule, dy, dx);
  });
}

}  // namespace

void mean_pool_forward(const PoolShape& s, const PoolDivisor& rule, const void* x, void* y) {
  visit_real(s.dtype, [&](auto element) {
    using T = decltype(element);
    forward(s, rule, static_cast<const T*>(x), static_cast<T*>(y));
  });
}

void mean_pool_backward(const PoolShape& s, const PoolDivisor& rule, const void* dy, void* dx) {
  visit_real(s.dtype, [&](auto element) {
    using T = decltype(element);
    backward(s, rule, static_cast<const T*>(dy), static_cast<T*>(dx));
  });
}

}  // namespace lamina::cuda

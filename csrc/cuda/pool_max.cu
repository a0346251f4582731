// Max pooling: y[o] is the largest x of window o, and tap[o] says which of its taps that was.
//
// Forward a thread goes through the window of its outputs; a warp does where rows of windows are
// long.  Backward each position of the input gathers from the windows that hold it those that it
// won: no atomics, and dx is written once.  Bound by bytes: forward x is read once and, an output,
// a float32 and the winner's tap written, one byte where the window allows; overlapping windows
// find each other's elements in the L1 cache.  Backward reads dy and taps and writes dx.  2 x 2
// with stride 2: 5.25 bytes an element of x either way, 1e8 of them in 0.12 ms at the 4.3 TB/s that
// an H200 copies.  Compiled and emulated, not yet run on a device.
#include <math.h>

#include "cuda/pool.h"
#include "cuda/reduce.h"

namespace lamina::cuda {
namespace {

// The largest element so far, and the tap it came from; -1 for none.
template <class T>
struct Best {
  T value;
  int tap = -1;

  __device__ Best() : value(-static_cast<T>(INFINITY)) {}

  // In the taps' order: NaN wins, the last one; among equals the first.
  __device__ __forceinline__ void take(T x, int64_t k) {
    if (tap >= 0 && !(x > value) && x == x) return;
    value = x;
    tap = static_cast<int>(k);
  }
  // In any order of the two.
  __device__ __forceinline__ void join(const Best& other) {
    if (other.tap < 0) return;
    const bool nan = value != value, other_nan = other.value != other.value;
    const bool later = other.tap > tap;
    const bool wins = nan || other_nan ? other_nan && (!nan || later)
                                       : other.value > value || (other.value == value && !later);
    if (tap < 0 || wins) *this = other;
  }
};

template <class T>
__device__ __forceinline__ Best<T> warp_best(Best<T> best) {
  for (int bits = kWarpSize / 2; bits > 0; bits /= 2) {
    Best<T> other;
    other.value = __shfl_xor_sync(kAllLanes, best.value, bits);
    other.tap = __shfl_xor_sync(kAllLanes, best.tap, bits);
    best.join(other);
  }
  return best;
}

// Four taps are stored as one word.
template <int width, class I>
__device__ __forceinline__ void store_taps(I* to, const int (&tap)[width]) {
  if constexpr (width == kPack) {
    Pack<I> pack;
    for (int i = 0; i < width; ++i) pack.v[i] = static_cast<I>(tap[i]);
    *reinterpret_cast<Pack<I>*>(to) = pack;
  } else {
    for (int i = 0; i < width; ++i) to[i] = static_cast<I>(tap[i]);
  }
}

template <class T, class I, bool last, int width, int lanes>
__global__ void __launch_bounds__(kImageThreads, kPoolBlocks)
    forward_kernel(const PoolSizes s, const ImageItems items, const T* x, T* y, I* tap) {
  const int64_t item = (int64_t{blockIdx.x} * kImageThreads + threadIdx.x) / lanes;
  if (item >= items.count) return;  // whole warps, where they share a window
  const ImagePlace<last, width> to(item, items);
  const ImageArray<last> from(s.in, s.channels);
  const T* image = x + to.unit * from.volume() + to.channel;
  Best<T> best[width];
  if constexpr (last) {
    each_tap<1>(s, from, to.place[0], to.place[1], to.place[2], [&](int64_t at, int64_t k) {
      const Some<T, width> v = load_some<width>(image + at);
      for (int i = 0; i < width; ++i) best[i].take(v.v[i], k);
    });
  } else {
    for (int i = 0; i < width; ++i)
      each_tap<lanes>(s, from, to.place[0], to.place[1], to.place[2] + i,
                      [&](int64_t at, int64_t k) { best[i].take(image[at], k); });
  }
  if constexpr (lanes > 1) {
    best[0] = warp_best(best[0]);
    if (threadIdx.x % lanes != 0) return;
  }
  Some<T, width> values;
  int taps[width];
  for (int i = 0; i < width; ++i) {
    values.v[i] = best[i].value;
    taps[i] = best[i].tap;
  }
  store_some(y + item * width, values);
  if (tap) store_taps<width>(tap + item * width, taps);
}

template <class T, class I, bool last, int width>
__global__ void __launch_bounds__(kImageThreads, kPoolBlocks)
    backward_kernel(const PoolSizes s, const ImageItems items, const T* dy, const I* tap, T* dx) {
  const int64_t item = int64_t{blockIdx.x} * kImageThreads + threadIdx.x;
  if (item >= items.count) return;
  const ImagePlace<last, width> to(item, items);
  const ImageArray<last> from(s.out, s.channels);
  const int64_t base = to.unit * from.volume() + to.channel;
  Some<T, width> sums{};
  if constexpr (last) {
    each_window(s, from, to.place[0], to.place[1], to.place[2],
                [&](int64_t at, int64_t k, int64_t, int64_t, int64_t) {
                  const Some<I, width> won = load_some<width>(tap + base + at);
                  const Some<T, width> g = load_some<width>(dy + base + at);
                  for (int i = 0; i < width; ++i)
                    if (won.v[i] == static_cast<I>(k)) sums.v[i] += g.v[i];
                });
  } else {
    for (int i = 0; i < width; ++i)
      each_window(s, from, to.place[0], to.place[1], to.place[2] + i,
                  [&](int64_t at, int64_t k, int64_t, int64_t, int64_t) {
                    if (tap[base + at] == static_cast<I>(k)) sums.v[i] += dy[base + at];
                  });
  }
  store_some(dx + item * width, sums);
}

// The winner of output `item`: its place in the plane, or -1, and its offset in x.
struct Winner {
  int64_t place, offset;
};

template <bool last, class I>
__device__ __forceinline__ Winner winner_of(const PoolSizes& s, const ImageItems& items,
                                            int64_t item, const I* taps) {
  const I tap = taps[item];
  if (tap == static_cast<I>(-1)) return {-1, 0};
  const ImagePlace<last, 1> to(item, items);
  const int64_t row = int64_t{tap} / s.kernel[2], depth = row / s.kernel[1];
  const int64_t k[kPoolDims] = {depth, row - depth * s.kernel[1].value,
                                int64_t{tap} - row * s.kernel[2].value};
  int64_t place = 0;
  for (int d = 0; d < kPoolDims; ++d) {
    const Window w = window(s, d, to.place[d]);
    place = place * s.in[d].value + w.first + k[d] * w.step;
  }
  const ImageArray<last> from(s.in, s.channels);
  return {place, to.unit * from.volume() + place * from.channels + to.channel};
}

template <class T, class I, bool last>
__global__ void __launch_bounds__(kImageThreads)
    gather_kernel(const PoolSizes s, const ImageItems items, const T* x, const I* tap, T* y) {
  const int64_t item = int64_t{blockIdx.x} * kImageThreads + threadIdx.x;
  if (item >= items.count) return;
  const Winner w = winner_of<last>(s, items, item, tap);
  y[item] = w.place < 0 ? T(0) : x[w.offset];
}

template <class I, bool last>
__global__ void __launch_bounds__(kImageThreads)
    plane_index_kernel(const PoolSizes s, const ImageItems items, const I* tap, int64_t* index) {
  const int64_t item = int64_t{blockIdx.x} * kImageThreads + threadIdx.x;
  if (item < items.count) index[item] = winner_of<last>(s, items, item, tap).place;
}

// f(tap element)
template <class F>
void visit_taps(const PoolShape& s, F f) {
  if (kernels::tap_dtype(s) == DType::uint8)
    f(uint8_t{});
  else
    f(int32_t{});
}

template <class T, class I>
void forward(const PoolShape& s, const T* x, T* y, I* tap) {
  if (pool_shares_windows(s)) {
    const ImageItems items = pool_items(s, s.out, 1);
    const auto kernel = &forward_kernel<T, I, false, 1, static_cast<int>(kWarpSize)>;
    return launch(kernel, blocks_for(items.count, kImageThreads / kWarpSize), kImageThreads, 0,
                  stream(), PoolSizes(s), items, x, y, tap);
  }
  const bool packs =
      s.channels_last ? pool_packs(s, s.out, {x, y, tap}) : pool_packs(s, s.out, {y, tap});
  visit_image(s.channels_last, packs, [&](auto last, auto width) {
    const ImageItems items = pool_items(s, s.out, decltype(width)::value);
    launch(&forward_kernel<T, I, decltype(last)::value, decltype(width)::value, 1>,
           blocks_for(items.count, kImageThreads), kImageThreads, 0, stream(), PoolSizes(s), items,
           x, y, tap);
  });
}

template <class T, class I>
void backward(const PoolShape& s, const T* dy, const I* tap, T* dx) {
  const bool packs =
      s.channels_last ? pool_packs(s, s.in, {dy, tap, dx}) : pool_packs(s, s.in, {dx});
  visit_image(s.channels_last, packs, [&](auto last, auto width) {
    const ImageItems items = pool_items(s, s.in, decltype(width)::value);
    launch(&backward_kernel<T, I, decltype(last)::value, decltype(width)::value>,
           blocks_for(items.count, kImageThreads), kImageThreads, 0, stream(), PoolSizes(s), items,
           dy, tap, dx);
  });
}

}  // namespace

void max_pool_forward(const PoolShape& s, const void* x, void* y, void* tap) {
  visit_real(s.dtype, [&](auto element) {
    using T = decltype(element);
    visit_taps(s, [&](auto tap_element) {
      forward(s, static_cast<const T*>(x), static_cast<T*>(y),
              static_cast<decltype(tap_element)*>(tap));
    });
  });
}

void max_pool_backward(const PoolShape& s, const void* dy, const void* tap, void* dx) {
  visit_real(s.dtype, [&](auto element) {
    using T = decltype(element);
    visit_taps(s, [&](auto tap_element) {
      backward(s, static_cast<const T*>(dy), static_cast<const decltype(tap_element)*>(tap),
               static_cast<T*>(dx));
    });
  });
}

void max_pool_gather(const PoolShape& s, const void* x, const void* tap, void* y) {
  const ImageItems items = pool_items(s, s.out, 1);
  visit_real(s.dtype, [&](auto element) {
    using T = decltype(element);
    visit_taps(s, [&](auto tap_element) {
      using I = decltype(tap_element);
      const auto kernel =
          s.channels_last ? &gather_kernel<T, I, true> : &gather_kernel<T, I, false>;
      launch(kernel, blocks_for(items.count, kImageThreads), kImageThreads, 0, stream(),
             PoolSizes(s), items, static_cast<const T*>(x), static_cast<const I*>(tap),
             static_cast<T*>(y));
    });
  });
}

void max_pool_plane_index(const PoolShape& s, const void* tap, int64_t* index) {
  const ImageItems items = pool_items(s, s.out, 1);
  visit_taps(s, [&](auto tap_element) {
    using I = decltype(tap_element);
    const auto kernel =
        s.channels_last ? &plane_index_kernel<I, true> : &plane_index_kernel<I, false>;
    launch(kernel, blocks_for(items.count, kImageThreads), kImageThreads, 0, stream(), PoolSizes(s),
           items, static_cast<const I*>(tap), index);
  });
}

}  // namespace lamina::cuda

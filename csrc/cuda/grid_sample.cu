// Sampling at the places of a grid.  A thread finds the taps of its place and uses them for a few
// channels: planes, or neighbours that come last.
//
// The gradient of the input is a scatter.  The taps of all places are sorted by the pixel they fall
// on, those of one pixel in their order; then the first tap of each pixel adds them up, for a few
// channels a thread: no atomics, the same bits every time.  A pixel where many meet (a padded
// border) is one thread's chain.  Bound by the sectors of scattered reads: a bilinear output reads
// four float32 taps, of 32 bytes each where nothing is shared, 8 bytes of grid a place, and writes
// 4; where the grid is smooth, neighbours share sectors and 8 bytes an element and the grid's
// remain: 64 images of 64 channels, 64 x 64, 136 MB, 32 us at the 4.3 TB/s that an H200 copies.
// The gradient of the input is bound by the sort.  Compiled and emulated, not yet run on a device.
#include "cuda/grid_taps.h"
#include "cuda/reduce.h"
#include "cuda/scratch.h"
#include "kernels/grid_sample.h"
#include "kernels/registry.h"
#include "kernels/sort.h"

namespace lamina::cuda {
namespace {

constexpr int64_t kPlanes = 8;  // a thread
constexpr int64_t kOutside = INT64_MAX;

LAMINA_INLINE int64_t plane_size(const GridShape& s) { return s.in[0] * s.in[1] * s.in[2]; }

// Threads for pairs of a unit (a place, or a tap) and a few channels.  Neighbouring threads are
// neighbouring units with planes, neighbouring channels where these come last.
struct Work {
  int64_t threads, channels, each;
  WideDivisor units, chunks;

  Work(const GridShape& s, int64_t count, int64_t channels_each)
      : threads(count * ((s.channels + channels_each - 1) / channels_each)),
        channels(s.channels),
        each(channels_each),
        units(count),
        chunks((s.channels + channels_each - 1) / channels_each) {}
};

template <bool last>
struct Item {
  int64_t unit, first, end;  // channels [first, end)

  __device__ Item(const Work& w, int64_t thread) {
    const int64_t quotient = last ? thread / w.chunks : thread / w.units;
    const int64_t rest = thread - quotient * (last ? w.chunks.value : w.units.value);
    unit = last ? quotient : rest;
    first = (last ? rest : quotient) * w.each;
    end = first + w.each < w.channels ? first + w.each : w.channels;
  }
};

template <GridMode mode, bool deep, class T, bool last, int width>
__global__ void __launch_bounds__(kImageThreads, 2)
    forward_kernel(const GridShape s, const Work work, const WideDivisor places, const T* x,
                   const T* grid, T* y) {
  const int64_t thread = int64_t{blockIdx.x} * kImageThreads + threadIdx.x;
  if (thread >= work.threads) return;
  const Item<last> item(work, thread);
  const int64_t n = item.unit / places, P = plane_size(s), C = s.channels;
  const GridTaps<mode, deep, T> taps(s, grid + item.unit * s.rank);
  if constexpr (last) {
    Some<T, width> sums{};
    taps.each([&](int, int64_t pixel, T weight) {
      const Some<T, width> v = load_some<width>(x + (n * P + pixel) * C + item.first);
      for (int i = 0; i < width; ++i) sums.v[i] += weight * v.v[i];
    });
    store_some(y + item.unit * C + item.first, sums);
  } else {
    for (int64_t c = n * C + item.first; c < n * C + item.end; ++c) {
      T sum = 0;
      taps.each([&](int, int64_t pixel, T weight) { sum += weight * x[c * P + pixel]; });
      y[c * places.value + (item.unit - n * places.value)] = sum;
    }
  }
}

// The pixel, counted over all images, and the weight of every tap of every place: (units, taps).
template <GridMode mode, bool deep, class T>
__global__ void __launch_bounds__(kImageThreads)
    taps_kernel(const GridShape s, int64_t units, const T* grid, int64_t* pixels, T* weights) {
  const int64_t unit = int64_t{blockIdx.x} * kImageThreads + threadIdx.x;
  if (unit >= units) return;
  const int64_t image = unit / s.places * plane_size(s);
  const GridTaps<mode, deep, T> taps(s, grid + unit * s.rank);
  for (int k = 0; k < taps.kCount; ++k) pixels[unit * taps.kCount + k] = kOutside;
  taps.each([&](int k, int64_t pixel, T weight) {
    pixels[unit * taps.kCount + k] = image + pixel;
    weights[unit * taps.kCount + k] = weight;
  });
}

// Taps in the order of their pixels; order: which ones they are.
template <class T, bool last, int width>
__global__ void __launch_bounds__(kImageThreads)
    gather_kernel(const GridShape s, const Work work, const WideDivisor taps, const int64_t* pixels,
                  const int64_t* order, const T* weights, const T* dy, T* dx) {
  const int64_t thread = int64_t{blockIdx.x} * kImageThreads + threadIdx.x;
  if (thread >= work.threads) return;
  const Item<last> item(work, thread);
  const int64_t pixel = pixels[item.unit], P = plane_size(s), C = s.channels;
  if (pixel == kOutside || (item.unit > 0 && pixels[item.unit - 1] == pixel)) return;
  const int64_t n = pixel / P;
  // f(place of all images, weight) for the pixel's taps.
  const auto each = [&](auto f) {
    for (int64_t j = item.unit; j < work.units.value && pixels[j] == pixel; ++j)
      f(order[j] / taps, weights[order[j]]);
  };
  if constexpr (last) {
    Some<T, width> sums{};
    each([&](int64_t place, T weight) {
      const Some<T, width> g = load_some<width>(dy + place * C + item.first);
      for (int i = 0; i < width; ++i) sums.v[i] += weight * g.v[i];
    });
    store_some(dx + pixel * C + item.first, sums);
  } else {
    for (int64_t c = item.first; c < item.end; ++c) {
      T sum = 0;
      each([&](int64_t place, T weight) {
        sum += weight * dy[(n * C + c) * s.places + (place - n * s.places)];
      });
      dx[(n * C + c) * P + (pixel - n * P)] = sum;
    }
  }
}

// dgrid[a] = the sum over channels of dy times the slope of y by axis a.  A thread a place of planes, a
// warp where channels come last.
template <GridMode mode, bool deep, class T, bool last>
__global__ void __launch_bounds__(kImageThreads)
    backward_grid_kernel(const GridShape s, int64_t units, const T* x, const T* grid, const T* dy,
                         T* dgrid) {
  constexpr int kLanes = last ? kWarpSize : 1;
  const int64_t unit = (int64_t{blockIdx.x} * kImageThreads + threadIdx.x) / kLanes;
  if (unit >= units) return;  // whole warps, where they share a place
  const int64_t n = unit / s.places, place = unit - n * s.places, P = plane_size(s);
  const int64_t C = s.channels, pixel_step = last ? C : 1, channel_step = last ? 1 : P;
  const T* image = x + n * C * P;
  const T* grads = dy + (last ? unit * C : n * C * s.places + place);
  const GridTaps<mode, deep, T> taps(s, grid + unit * s.rank);
  T sums[3] = {};
  for (int64_t c = threadIdx.x % kLanes; c < C; c += kLanes) {
    const T g = grads[last ? c : c * s.places];
    taps.each_slope([&](int64_t pixel, T by_x, T by_y, T by_z) {
      const T value = g * image[pixel * pixel_step + c * channel_step];
      sums[0] += by_x * value;
      sums[1] += by_y * value;
      if constexpr (deep) sums[2] += by_z * value;
    });
  }
  for (int a = 0; a < (deep ? 3 : 2); ++a) {
    if constexpr (last) sums[a] = warp_reduce(sums[a], [](T p, T q) { return p + q; });
    if (threadIdx.x % kLanes == 0) dgrid[unit * (deep ? 3 : 2) + a] = sums[a];
  }
}

// Where channels come last, whether a thread can take a pack of them.
bool channel_packs(const GridShape& s, std::initializer_list<const void*> arrays) {
  return s.channels_last && image_packs(true, s.channels, 1, s.dtype, arrays);
}

void forward(const GridShape& s, const void* x, const void* grid, void* y) {
  const int64_t units = s.batch * s.places;
  visit_grid(s, [&](auto mode, auto deep, auto element) {
    using T = decltype(element);
    visit_image(s.channels_last, channel_packs(s, {x, y}), [&](auto last, auto width) {
      const Work work(s, units, decltype(last)::value ? decltype(width)::value : kPlanes);
      launch(&forward_kernel<decltype(mode)::value, decltype(deep)::value, T, decltype(last)::value,
                             decltype(width)::value>,
             blocks_for(work.threads, kImageThreads), kImageThreads, 0, stream(), s, work,
             WideDivisor(s.places), static_cast<const T*>(x), static_cast<const T*>(grid),
             static_cast<T*>(y));
    });
  });
}

template <GridMode mode, bool deep, class T>
void scatter(const GridShape& s, const T* grid, const T* dy, T* dx) {
  constexpr int64_t kTaps = GridTaps<mode, deep, T>::kCount;
  const int64_t units = s.batch * s.places, n = units * kTaps;
  const size_t bytes = static_cast<size_t>(s.batch * s.channels * plane_size(s)) * sizeof(T);
  LAMINA_CUDA_CHECK(cudaMemsetAsync(dx, 0, bytes, stream()));
  if (n == 0) return;
  const Device here{DeviceType::cuda, static_cast<int8_t>(active_device())};
  const DeviceScratch numbers(static_cast<size_t>(3 * n) * sizeof(int64_t)),
      weights(static_cast<size_t>(n) * sizeof(T));
  auto *pixels = numbers.as<int64_t>(), *sorted = pixels + n, *order = sorted + n;
  launch(&taps_kernel<mode, deep, T>, blocks_for(units, kImageThreads), kImageThreads, 0, stream(),
         s, units, grid, pixels, weights.as<T>());
  kernels::on<kernels::Sort>(here).sort({DType::int64, false, 1, n, n, pixels, sorted, order});
  visit_image(s.channels_last, channel_packs(s, {dy, dx}), [&](auto last, auto width) {
    const Work work(s, n, decltype(last)::value ? decltype(width)::value : kPlanes);
    launch(&gather_kernel<T, decltype(last)::value, decltype(width)::value>,
           blocks_for(work.threads, kImageThreads), kImageThreads, 0, stream(), s, work,
           WideDivisor(kTaps), static_cast<const int64_t*>(sorted),
           static_cast<const int64_t*>(order), static_cast<const T*>(weights.as<T>()), dy, dx);
  });
}

void backward_input(const GridShape& s, const void* grid, const void* dy, void* dx) {
  visit_grid(s, [&](auto mode, auto deep, auto element) {
    using T = decltype(element);
    scatter<decltype(mode)::value, decltype(deep)::value>(
        s, static_cast<const T*>(grid), static_cast<const T*>(dy), static_cast<T*>(dx));
  });
}

void backward_grid(const GridShape& s, const void* x, const void* grid, const void* dy,
                   void* dgrid) {
  const int64_t units = s.batch * s.places;
  visit_grid(s, [&](auto mode, auto deep, auto element) {
    using T = decltype(element);
    constexpr auto kMode = decltype(mode)::value;
    constexpr bool kDeep = decltype(deep)::value;
    launch(s.channels_last ? &backward_grid_kernel<kMode, kDeep, T, true>
                           : &backward_grid_kernel<kMode, kDeep, T, false>,
           blocks_for(units, kImageThreads / (s.channels_last ? kWarpSize : 1)), kImageThreads, 0,
           stream(), s, units, static_cast<const T*>(x), static_cast<const T*>(grid),
           static_cast<const T*>(dy), static_cast<T*>(dgrid));
  });
}

}  // namespace

LAMINA_CUDA_KERNELS(GridSample, grid_sample){&forward, &backward_input, &backward_grid};

}  // namespace lamina::cuda

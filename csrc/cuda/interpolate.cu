// Resampling by tables: a thread an output, or four neighbours, which adds up its taps of depth,
// height and width.  The launcher brings the tables along.  Bound by bytes where there are few
// taps: x is read and y written once, neighbours find each other's elements in the L1 cache.
// Doubling both sides in float32 is 5 bytes an output, 1e8 of them 0.12 ms at the 4.3 TB/s that an
// H200 copies.  A bicubic output costs its 16 taps.  Compiled and emulated, not yet run on a
// device.
#include "cuda/device_tables.h"
#include "cuda/image.h"
#include "kernels/interpolate.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using kernels::kResampleDims;
using kernels::ResampleDim;
using kernels::ResamplePlan;

// The taps of one dimension's outputs.
struct Axis {
  int taps;
  const int32_t *count, *index;
  const double* weight;
};

struct Axes {
  int64_t in[kResampleDims];
  Axis of[kResampleDims];

  // f(offset, weight) for the taps of output (od, oh, ow); offset in `from`.
  template <class T, bool last, class F>
  __device__ __forceinline__ void each_tap(const ImageArray<last>& from, int64_t od, int64_t oh,
                                           int64_t ow, F f) const {
    const Axis &d = of[0], &h = of[1], &w = of[2];
    for (int i = 0; i < d.count[od]; ++i) {
      const int64_t td = od * d.taps + i;
      for (int j = 0; j < h.count[oh]; ++j) {
        const int64_t th = oh * h.taps + j, row = from.at(d.index[td], h.index[th], 0);
        const T down = static_cast<T>(d.weight[td] * h.weight[th]);
        for (int k = 0; k < w.count[ow]; ++k) {
          const int64_t tw = ow * w.taps + k;
          f(row + w.index[tw] * from.channels, down * static_cast<T>(w.weight[tw]));
        }
      }
    }
  }
};

template <class T, bool last, int width>
__global__ void __launch_bounds__(kImageThreads, 2)
    resample_kernel(const Axes axes, const ImageItems items, const T* x, T* y) {
  const int64_t item = int64_t{blockIdx.x} * kImageThreads + threadIdx.x;
  if (item >= items.count) return;
  const ImagePlace<last, width> to(item, items);
  const ImageArray<last> from(axes.in, items.channels);
  const T* image = x + to.unit * from.volume() + to.channel;
  Some<T, width> sums{};
  if constexpr (last) {
    axes.each_tap<T>(from, to.place[0], to.place[1], to.place[2], [&](int64_t at, T weight) {
      const Some<T, width> v = load_some<width>(image + at);
      for (int i = 0; i < width; ++i) sums.v[i] += weight * v.v[i];
    });
  } else {
    for (int i = 0; i < width; ++i)
      axes.each_tap<T>(from, to.place[0], to.place[1], to.place[2] + i,
                       [&](int64_t at, T weight) { sums.v[i] += weight * image[at]; });
  }
  store_some(y + item * width, sums);
}

void resample(const ResamplePlan& p, const void* x, void* y) {
  DeviceTables tables;
  DeviceTables::Table count[kResampleDims], index[kResampleDims], weight[kResampleDims];
  int64_t out[kResampleDims];
  for (int d = 0; d < kResampleDims; ++d) {
    const ResampleDim& dim = p.dims[d];
    out[d] = dim.out;
    count[d] = tables.add(dim.count, dim.out);
    index[d] = tables.add(dim.index, dim.out * dim.taps);
    weight[d] = tables.add(dim.weight, dim.out * dim.taps);
  }
  tables.send();
  Axes axes;
  for (int d = 0; d < kResampleDims; ++d) {
    axes.in[d] = p.dims[d].in;
    axes.of[d] = {p.dims[d].taps, tables.at<int32_t>(count[d]), tables.at<int32_t>(index[d]),
                  tables.at<double>(weight[d])};
  }
  visit_real(p.dtype, [&](auto tag) {
    using T = decltype(tag);
    const bool packs = p.channels_last ? image_packs(true, p.channels, out[2], p.dtype, {x, y})
                                       : image_packs(false, p.channels, out[2], p.dtype, {y});
    visit_image(p.channels_last, packs, [&](auto last, auto width) {
      const ImageItems items(p.batch, p.channels, out, p.channels_last, decltype(width)::value);
      launch(&resample_kernel<T, decltype(last)::value, decltype(width)::value>,
             blocks_for(items.count, kImageThreads), kImageThreads, 0, stream(), axes, items,
             static_cast<const T*>(x), static_cast<T*>(y));
    });
  });
}

}  // namespace

LAMINA_CUDA_KERNELS(Interpolate, interpolate){&resample};

}  // namespace lamina::cuda

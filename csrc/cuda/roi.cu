// RoIAlign (He et al., arXiv:1703.06870) and RoIPool (Girshick, arXiv:1504.08083).
//
// A launch finds the regions' bins.  Forward a thread takes an output, or four channels that come
// last; backward each pixel gathers, from the regions of its image that reach it, in their order:
// no atomics.  Forward is bound by the bytes of the pixels under the bins: 16 reads of 4 bytes an
// output of RoIAlign with four samples, from L1 and L2 where samples are close, and 4 written; 1000
// regions of 256 channels, 7 x 7, write 50 MB, 12 us at the 4.3 TB/s that an H200 copies.  Backward
// is bound by going through the regions, which neighbouring threads do together.  Compiled and
// emulated, not yet run on a device.
#include "cuda/image.h"
#include "cuda/roi_bins.h"
#include "cuda/roi_nms.h"
#include "kernels/registry.h"
#include "kernels/roi.h"

namespace lamina::cuda {
namespace {

template <class T, bool last, int width>
__global__ void __launch_bounds__(kImageThreads)
    align_forward_kernel(const RoiShape s, const ImageItems items, const Bins<T> bins,
                         const WideDivisor channels, const T* x, const T* rois, T* y) {
  const int64_t item = int64_t{blockIdx.x} * kImageThreads + threadIdx.x;
  if (item >= items.count) return;
  const ImagePlace<last, width> to(item, items);
  const ImageArray<last> from({int64_t{1}, s.height, s.width}, s.channels);
  const int64_t roi = last ? to.unit : to.unit / channels;
  const int64_t plane = last ? 0 : to.unit - roi * s.channels;
  const int64_t image = static_cast<int64_t>(rois[5 * roi]) * (last ? 1 : s.channels) + plane;
  const T* pixels = x + image * from.volume() + to.channel;
  const Span rows = bins.row(roi, to.place[1]), columns = bins.column(roi, to.place[2]);
  const T *down = bins.row_weights(roi, to.place[1]),
          *across = bins.column_weights(roi, to.place[2]);
  Some<T, width> sums{};
  for (int64_t h = rows.first; h < rows.first + rows.count; ++h)
    for (int64_t w = columns.first; w < columns.first + columns.count; ++w) {
      const T weight = down[h] * across[w];
      const Some<T, width> v = load_some<width>(pixels + from.at(0, h, w));
      for (int i = 0; i < width; ++i) sums.v[i] += weight * v.v[i];
    }
  store_some(y + item * width, sums);
}

template <class T, bool last>
__global__ void __launch_bounds__(kImageThreads)
    pool_forward_kernel(const RoiShape s, const ImageItems items, const Bins<T> bins,
                        const WideDivisor channels, const T* x, const T* rois, T* y,
                        int32_t* winner) {
  const int64_t item = int64_t{blockIdx.x} * kImageThreads + threadIdx.x;
  if (item >= items.count) return;
  const ImagePlace<last, 1> to(item, items);
  const ImageArray<last> from({int64_t{1}, s.height, s.width}, s.channels);
  const int64_t roi = last ? to.unit : to.unit / channels;
  const int64_t plane = last ? 0 : to.unit - roi * s.channels;
  const int64_t image = static_cast<int64_t>(rois[5 * roi]) * (last ? 1 : s.channels) + plane;
  const T* pixels = x + image * from.volume() + to.channel;
  const Span rows = bins.row(roi, to.place[1]), columns = bins.column(roi, to.place[2]);
  T most = 0;
  int32_t at = -1;
  for (int64_t h = rows.first; h < rows.first + rows.count; ++h)
    for (int64_t w = columns.first; w < columns.first + columns.count; ++w) {
      const T value = pixels[from.at(0, h, w)];
      if (at >= 0 && !(value > most)) continue;
      most = value;
      at = static_cast<int32_t>(h * s.width + w);
    }
  y[item] = most;
  winner[item] = at;
}

// f(roi, ph, pw, offset in dy) for the bins of regions of `image` that hold pixel (h, w), in order.
template <bool last, class T, class F>
__device__ __forceinline__ void each_bin(const RoiShape& s, const Bins<T>& bins, const T* rois,
                                         int64_t image, int64_t plane, int64_t h, int64_t w, F f) {
  const ImageArray<last> outputs({int64_t{1}, s.out_height, s.out_width}, s.channels);
  for (int64_t roi = 0; roi < s.rois; ++roi) {
    if (static_cast<int64_t>(rois[5 * roi]) != image || !contains(bins.reach[2 * roi], h) ||
        !contains(bins.reach[2 * roi + 1], w))
      continue;
    const int64_t base = (last ? roi : roi * s.channels + plane) * outputs.volume();
    for (int64_t ph = 0; ph < s.out_height; ++ph) {
      if (!contains(bins.row(roi, ph), h)) continue;
      for (int64_t pw = 0; pw < s.out_width; ++pw)
        if (contains(bins.column(roi, pw), w)) f(roi, ph, pw, base + outputs.at(0, ph, pw));
    }
  }
}

template <class T, bool last, int width>
__global__ void __launch_bounds__(kImageThreads, 2)
    align_backward_kernel(const RoiShape s, const ImageItems items, const Bins<T> bins,
                          const WideDivisor channels, const T* dy, const T* rois, T* dx) {
  const int64_t item = int64_t{blockIdx.x} * kImageThreads + threadIdx.x;
  if (item >= items.count) return;
  const ImagePlace<last, width> to(item, items);
  const int64_t image = last ? to.unit : to.unit / channels;
  const int64_t plane = last ? 0 : to.unit - image * s.channels, h = to.place[1], w = to.place[2];
  Some<T, width> sums{};
  each_bin<last>(s, bins, rois, image, plane, h, w,
                 [&](int64_t roi, int64_t ph, int64_t pw, int64_t at) {
                   const T weight = bins.row_weights(roi, ph)[h] * bins.column_weights(roi, pw)[w];
                   const Some<T, width> g = load_some<width>(dy + at + to.channel);
                   for (int i = 0; i < width; ++i) sums.v[i] += weight * g.v[i];
                 });
  store_some(dx + item * width, sums);
}

template <class T, bool last>
__global__ void __launch_bounds__(kImageThreads)
    pool_backward_kernel(const RoiShape s, const ImageItems items, const Bins<T> bins,
                         const WideDivisor channels, const T* dy, const T* rois,
                         const int32_t* winner, T* dx) {
  const int64_t item = int64_t{blockIdx.x} * kImageThreads + threadIdx.x;
  if (item >= items.count) return;
  const ImagePlace<last, 1> to(item, items);
  const int64_t image = last ? to.unit : to.unit / channels;
  const int64_t plane = last ? 0 : to.unit - image * s.channels, h = to.place[1], w = to.place[2];
  const auto pixel = static_cast<int32_t>(h * s.width + w);
  T sum = 0;
  each_bin<last>(s, bins, rois, image, plane, h, w, [&](int64_t, int64_t, int64_t, int64_t at) {
    if (winner[at + to.channel] == pixel) sum += dy[at + to.channel];
  });
  dx[item] = sum;
}

// The arrays (rois, C, out_height, out_width) and (N, C, H, W) as what is written.
ImageItems outputs(const RoiShape& s, int width) {
  return ImageItems(s.rois, s.channels, {1, s.out_height, s.out_width}, s.channels_last, width);
}
ImageItems inputs(const RoiShape& s, int width) {
  return ImageItems(s.batch, s.channels, {1, s.height, s.width}, s.channels_last, width);
}

// f(last, width); packs of channels alone.
template <class F>
void visit_roi(const RoiShape& s, std::initializer_list<const void*> arrays, F f) {
  visit_image(s.channels_last,
              s.channels_last && image_packs(true, s.channels, s.width, s.dtype, arrays), f);
}

template <class T>
void align_forward_of(const RoiShape& s, const T* x, const T* rois, T* y) {
  const BinMemory<T, true> memory(s, rois);
  visit_roi(s, {x, y}, [&](auto last, auto width) {
    const ImageItems items = outputs(s, decltype(width)::value);
    launch(&align_forward_kernel<T, decltype(last)::value, decltype(width)::value>,
           blocks_for(items.count, kImageThreads), kImageThreads, 0, stream(), s, items,
           memory.bins, WideDivisor(s.channels), x, rois, y);
  });
}

template <class T>
void align_backward_of(const RoiShape& s, const T* dy, const T* rois, T* dx) {
  const BinMemory<T, true> memory(s, rois);
  visit_roi(s, {dy, dx}, [&](auto last, auto width) {
    const ImageItems items = inputs(s, decltype(width)::value);
    launch(&align_backward_kernel<T, decltype(last)::value, decltype(width)::value>,
           blocks_for(items.count, kImageThreads), kImageThreads, 0, stream(), s, items,
           memory.bins, WideDivisor(s.channels), dy, rois, dx);
  });
}

template <class T>
void pool_forward_of(const RoiShape& s, const T* x, const T* rois, T* y, int32_t* winner) {
  const BinMemory<T, false> memory(s, rois);
  const ImageItems items = outputs(s, 1);
  launch(s.channels_last ? &pool_forward_kernel<T, true> : &pool_forward_kernel<T, false>,
         blocks_for(items.count, kImageThreads), kImageThreads, 0, stream(), s, items, memory.bins,
         WideDivisor(s.channels), x, rois, y, winner);
}

template <class T>
void pool_backward_of(const RoiShape& s, const T* dy, const T* rois, const int32_t* winner, T* dx) {
  const BinMemory<T, false> memory(s, rois);
  const ImageItems items = inputs(s, 1);
  launch(s.channels_last ? &pool_backward_kernel<T, true> : &pool_backward_kernel<T, false>,
         blocks_for(items.count, kImageThreads), kImageThreads, 0, stream(), s, items, memory.bins,
         WideDivisor(s.channels), dy, rois, winner, dx);
}

void align_forward(const RoiShape& s, const void* x, const void* rois, void* y) {
  visit_real(s.dtype, [&](auto tag) {
    using T = decltype(tag);
    align_forward_of(s, static_cast<const T*>(x), static_cast<const T*>(rois), static_cast<T*>(y));
  });
}

void align_backward(const RoiShape& s, const void* dy, const void* rois, void* dx) {
  visit_real(s.dtype, [&](auto tag) {
    using T = decltype(tag);
    align_backward_of(s, static_cast<const T*>(dy), static_cast<const T*>(rois),
                      static_cast<T*>(dx));
  });
}

void pool_forward(const RoiShape& s, const void* x, const void* rois, void* y, int32_t* winner) {
  visit_real(s.dtype, [&](auto tag) {
    using T = decltype(tag);
    pool_forward_of(s, static_cast<const T*>(x), static_cast<const T*>(rois), static_cast<T*>(y),
                    winner);
  });
}

void pool_backward(const RoiShape& s, const void* dy, const void* rois, const int32_t* winner,
                   void* dx) {
  visit_real(s.dtype, [&](auto tag) {
    using T = decltype(tag);
    pool_backward_of(s, static_cast<const T*>(dy), static_cast<const T*>(rois), winner,
                     static_cast<T*>(dx));
  });
}

}  // namespace

LAMINA_CUDA_KERNELS(Roi, roi){&align_forward, &align_backward, &pool_forward, &pool_backward,
                              &suppress};

}  // namespace lamina::cuda

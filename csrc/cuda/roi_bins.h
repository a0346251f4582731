// The bins of all regions, found by launches of their own and kept in scratch memory: what they share
// serves every channel.
#pragma once

#include "cuda/divide.h"
#include "cuda/scalar_math.h"
#include "cuda/scratch.h"
#include "kernels/roi.h"

namespace lamina::cuda {
namespace {

using kernels::RoiShape;

#include "kernels/roi.inc"

constexpr int kBinThreads = 256;

// Where every region's bins lie: rows first, then columns.
template <class T>
struct Bins {
  int64_t rows, columns, height, width;  // bins along each axis, and pixels
  Span *spans, *reach;                   // (rois, rows + columns); (rois, 2): of all bins
  T* weights;                            // RoIAlign: (rois, rows * height + columns * width)

  __device__ Span row(int64_t roi, int64_t b) const { return spans[roi * (rows + columns) + b]; }
  __device__ Span column(int64_t roi, int64_t b) const { return row(roi, rows + b); }
  __device__ T* row_weights(int64_t roi, int64_t b) const {
    return weights + roi * (rows * height + columns * width) + b * height;
  }
  __device__ T* column_weights(int64_t roi, int64_t b) const {
    return row_weights(roi, rows) + b * width;
  }
};

__device__ __forceinline__ bool contains(Span s, int64_t i) {
  return i >= s.first && i < s.first + s.count;
}

// A thread a bin.
template <class T, bool aligned>
__global__ void __launch_bounds__(kBinThreads)
    bins_kernel(const RoiShape s, const Bins<T> bins, const T* rois) {
  const int64_t i = int64_t{blockIdx.x} * kBinThreads + threadIdx.x,
                each = bins.rows + bins.columns;
  if (i >= s.rois * each) return;
  const int64_t roi = i / each, b = i - roi * each;
  const T* region = rois + 5 * roi;
  const bool across = b >= bins.rows;
  const int64_t of = across ? b - bins.rows : b, count = across ? bins.columns : bins.rows;
  const int64_t size = across ? bins.width : bins.height;
  const T low = region[across ? 1 : 2], high = region[across ? 3 : 4];
  if constexpr (aligned) {
    T* weights = across ? bins.column_weights(roi, of) : bins.row_weights(roi, of);
    bins.spans[i] = aligned_bin(s, low, high, count, of, size, weights);
  } else {
    bins.spans[i] = pooled_bin(s, low, high, count, of, size);
  }
}

// A thread a region and axis.
template <class T>
__global__ void __launch_bounds__(kBinThreads) reach_kernel(int64_t rois, const Bins<T> bins) {
  const int64_t i = int64_t{blockIdx.x} * kBinThreads + threadIdx.x;
  if (i >= 2 * rois) return;
  const int64_t roi = i / 2, count = i % 2 ? bins.columns : bins.rows;
  int64_t first = INT64_MAX, end = 0;
  for (int64_t b = 0; b < count; ++b) {
    const Span s = i % 2 ? bins.column(roi, b) : bins.row(roi, b);
    if (s.count == 0) continue;
    first = s.first < first ? s.first : first;
    end = s.first + s.count > end ? s.first + s.count : end;
  }
  bins.reach[i] = {first, end > first ? end - first : 0};
}

// Finds them.
template <class T, bool aligned>
class BinMemory {
 public:
  BinMemory(const RoiShape& s, const T* rois)
      : spans_(static_cast<size_t>(s.rois * (s.out_height + s.out_width + 2)) * sizeof(Span)),
        weights_(aligned
                     ? static_cast<size_t>(s.rois) *
                           static_cast<size_t>(s.out_height * s.height + s.out_width * s.width) *
                           sizeof(T)
                     : 1),
        bins{s.out_height,      s.out_width,
             s.height,          s.width,
             spans_.as<Span>(), spans_.as<Span>() + s.rois * (s.out_height + s.out_width),
             weights_.as<T>()} {
    if (s.rois == 0) return;
    launch(&bins_kernel<T, aligned>, blocks_for(s.rois * (s.out_height + s.out_width), kBinThreads),
           kBinThreads, 0, stream(), s, bins, rois);
    launch(&reach_kernel<T>, blocks_for(2 * s.rois, kBinThreads), kBinThreads, 0, stream(), s.rois,
           bins);
  }

 private:
  DeviceScratch spans_, weights_;

 public:
  const Bins<T> bins;
};

}  // namespace
}  // namespace lamina::cuda

// Greedy suppression: which boxes overlap which is found for all pairs at once, as bits; then one
// block goes through the boxes, best first, 64 at a time.
//
// Bound by the n^2 / 2 overlaps where boxes are many, else by the n / 64 steps.
#pragma once

#include "cuda/roi_bins.h"

namespace lamina::cuda {
namespace {

constexpr int kWordBits = 64, kStrikeThreads = 256;

template <class T>
__device__ __forceinline__ Box<T> box_at(const T* boxes, int64_t i) {
  const T* b = boxes + 4 * i;
  return {b[0], b[1], b[2], b[3], (b[2] - b[0]) * (b[3] - b[1])};
}

// mask (n, words): bit j % 64 of word j / 64 of row i says that i strikes out j > i; i and j in order.
// A thread a word.
template <class T>
__global__ void __launch_bounds__(kWordBits)
    overlaps_kernel(int64_t n, int64_t words, const T* boxes, const int64_t* order, T threshold,
                    uint64_t* mask) {
  const int64_t at = int64_t{blockIdx.x} * kWordBits + threadIdx.x;
  if (at >= n * words) return;
  const int64_t i = at / words, first = (at - i * words) * kWordBits;
  uint64_t bits = 0;
  if (first + kWordBits > i) {
    const Box<T> own = box_at(boxes, order[i]);
    for (int64_t j = first > i ? first : i + 1; j < n && j < first + kWordBits; ++j)
      if (overlap(own, box_at(boxes, order[j])) > threshold) bits |= uint64_t{1} << (j - first);
  }
  mask[at] = bits;
}

// One block.  struck (words): zero.  count: how many are kept.
__global__ void __launch_bounds__(kStrikeThreads)
    strike_kernel(int64_t n, int64_t words, const int64_t* order, const uint64_t* mask,
                  uint64_t* struck, int64_t* kept, int64_t* count) {
  LAMINA_SHARED(uint64_t, keeps, [1]);
  int64_t total = 0;  // of the first thread
  for (int64_t w = 0; w < words; ++w) {
    const int64_t first = w * kWordBits;
    if (threadIdx.x == 0) {
      uint64_t gone = struck[w], keep = 0;
      for (int64_t i = first; i < n && i < first + kWordBits; ++i) {
        const uint64_t bit = uint64_t{1} << (i - first);
        if (gone & bit) continue;
        keep |= bit;
        gone |= mask[i * words + w];
        kept[total++] = order[i];
      }
      keeps[0] = keep;
    }
    __syncthreads();
    for (int64_t later = w + 1 + threadIdx.x; later < words; later += kStrikeThreads) {
      uint64_t gone = struck[later];
      for (uint64_t left = keeps[0]; left != 0; left &= left - 1) {
        const int64_t i = first + __ffsll(static_cast<long long>(left)) - 1;
        gone |= mask[i * words + later];
      }
      struck[later] = gone;
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) *count = total;
}

template <class T>
int64_t suppress_of(int64_t n, const T* boxes, const int64_t* order, T threshold, int64_t* kept) {
  const int64_t words = (n + kWordBits - 1) / kWordBits;
  const Device here{DeviceType::cuda, static_cast<int8_t>(active_device())};
  const DeviceScratch mask(static_cast<size_t>(n * words) * sizeof(uint64_t)),
      struck(static_cast<size_t>(words) * sizeof(uint64_t)), count(sizeof(int64_t));
  launch(&overlaps_kernel<T>, blocks_for(n * words, kWordBits), kWordBits, 0, stream(), n, words,
         boxes, order, threshold, mask.as<uint64_t>());
  LAMINA_CUDA_CHECK(cudaMemsetAsync(struck.as<void>(), 0,
                                    static_cast<size_t>(words) * sizeof(uint64_t), stream()));
  launch(&strike_kernel, 1, kStrikeThreads, 0, stream(), n, words, order,
         static_cast<const uint64_t*>(mask.as<uint64_t>()), struck.as<uint64_t>(), kept,
         count.as<int64_t>());
  int64_t found;
  transfer(&found, Device{}, count.as<int64_t>(), here, sizeof found);
  return found;
}

int64_t suppress(DType dtype, int64_t n, const void* boxes, const int64_t* order, double threshold,
                 int64_t* kept) {
  if (dtype == DType::float64)
    return suppress_of(n, static_cast<const double*>(boxes), order, threshold, kept);
  return suppress_of(n, static_cast<const float*>(boxes), order, static_cast<float>(threshold),
                     kept);
}

}  // namespace
}  // namespace lamina::cuda

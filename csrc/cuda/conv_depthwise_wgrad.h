// The weight gradient of convolutions with narrow groups: a thread sums a row of taps over positions;
// threads of a block that share a pair of channels, and blocks that share it, add up in order.
#pragma once

#include <type_traits>

#include "cuda/conv_activation.h"
#include "cuda/convert.h"
#include "cuda/scratch.h"

namespace lamina::cuda {

// What products of Ts are summed in.
template <class T>
using Summed = std::conditional_t<kHalf<T>, float, T>;

inline constexpr int kTapThreads = 256;
inline constexpr int kRowTaps = 8;  // that a thread sums at once

template <class T>
struct TapProblem {
  int n;
  Dimension dims[kConvDims];
  Activation<const T> x, dy;
  int64_t pairs;                 // (filter, channel of its group)
  int row_parts;                 // of kRowTaps taps, in a row of the kernel
  int64_t positions, per_split;  // (n, d, h, w) of dy
};

// A block: kLanes pairs of filter and channel, one part of a row of taps, one split of the
// positions.  parts is (splits, pairs, taps).
template <class T, int kLanes>
__global__ void __launch_bounds__(kTapThreads)
    tap_kernel(const TapProblem<T> p, Summed<T>* parts, const unsigned first_row) {
  using Sum = Summed<T>;
  constexpr int kSharers = kTapThreads / kLanes;
  LAMINA_SHARED(Sum, sums, [kRowTaps][kTapThreads]);
  const Dimension &d = p.dims[0], &h = p.dims[1], &w = p.dims[2];
  const int64_t pair = int64_t{blockIdx.x} * kLanes + threadIdx.x % kLanes;
  const int sharer = static_cast<int>(threadIdx.x) / kLanes;
  const int tap_row = static_cast<int>((first_row + blockIdx.z) / p.row_parts);
  const int t0 = static_cast<int>((first_row + blockIdx.z) % p.row_parts) * kRowTaps;
  const int td = tap_row / h.kernel, th = tap_row % h.kernel;
  Sum sum[kRowTaps] = {};
  if (pair < p.pairs) {
    const int64_t filter = pair / p.x.channels;
    const int64_t channel = filter / p.dy.channels * p.x.channels + pair % p.x.channels;
    const int64_t (&xs)[2 + kConvDims] = p.x.stride;
    const int64_t (&ys)[2 + kConvDims] = p.dy.stride;
    const int64_t begin = blockIdx.y * p.per_split;
    const int64_t end = begin + p.per_split < p.positions ? begin + p.per_split : p.positions;
    const Positions places{{p.n, d.target, h.target, w.target}, {}, 0, {}, {}};
    Digits o = places.digits(begin + sharer);
    const Digits step = places.digits(kSharers);
    for (int64_t i = begin + sharer; i < end; i += kSharers, o = places.sum(o, step)) {
      const int at_d = o.v[1] * d.stride - d.pad + td * d.dilation;
      const int at_h = o.v[2] * h.stride - h.pad + th * h.dilation;
      if (static_cast<unsigned>(at_d) >= static_cast<unsigned>(d.source) ||
          static_cast<unsigned>(at_h) >= static_cast<unsigned>(h.source))
        continue;
      const Sum dy = convert<Sum>(p.dy.data[o.v[0] * ys[0] + filter * ys[1] + o.v[1] * ys[2] +
                                            o.v[2] * ys[3] + o.v[3] * ys[4]]);
      const T* row = p.x.data + o.v[0] * xs[0] + channel * xs[1] + at_d * xs[2] + at_h * xs[3];
      const int at_w = o.v[3] * w.stride - w.pad;
      LAMINA_UNROLL
      for (int t = 0; t < kRowTaps; ++t) {
        const int at = at_w + (t0 + t) * w.dilation;
        if (t0 + t < w.kernel && static_cast<unsigned>(at) < static_cast<unsigned>(w.source))
          sum[t] += dy * convert<Sum>(row[at * xs[4]]);
      }
    }
  }
  LAMINA_UNROLL
  for (int t = 0; t < kRowTaps; ++t) sums[t][threadIdx.x] = sum[t];
  // Halves of the sharers are added until one is left.
  for (int left = kSharers / 2; left > 0; left /= 2) {
    __syncthreads();
    if (sharer < left)
      for (int t = 0; t < kRowTaps; ++t)
        sums[t][threadIdx.x] += sums[t][threadIdx.x + left * kLanes];
  }
  if (sharer > 0 || pair >= p.pairs) return;
  const int64_t taps = int64_t{d.kernel} * h.kernel * w.kernel;
  Sum* to = parts + (blockIdx.y * p.pairs + pair) * taps + int64_t{tap_row} * w.kernel + t0;
  for (int t = 0; t < kRowTaps && t0 + t < w.kernel; ++t) to[t] = sums[t][threadIdx.x];
}

template <class T>
__global__ void __launch_bounds__(kTapThreads)
    sum_taps_kernel(T* dw, const Summed<T>* parts, int64_t count, int splits) {
  const int64_t i = int64_t{blockIdx.x} * kTapThreads + threadIdx.x;
  if (i >= count) return;
  Summed<T> sum = parts[i];
  for (int s = 1; s < splits; ++s) sum += parts[s * count + i];
  dw[i] = convert<T>(sum);
}

template <class T, int kLanes>
void launch_taps(TapProblem<T>& p, void* dw) {
  constexpr int64_t kFewBlocks = 512, kLeast = 64, kMostRows = 65535;
  constexpr int64_t kSharers = kTapThreads / kLanes;
  const int64_t tap_rows = int64_t{p.dims[0].kernel} * p.dims[1].kernel;
  const int64_t rows = tap_rows * p.row_parts, taps = tap_rows * p.dims[2].kernel;
  const int64_t blocks = (p.pairs + kLanes - 1) / kLanes;
  int64_t splits = kFewBlocks / (blocks * rows);
  if (splits > p.positions / (kLeast * kSharers)) splits = p.positions / (kLeast * kSharers);
  if (splits < 1) splits = 1;
  p.per_split = (p.positions + splits - 1) / splits;
  splits = (p.positions + p.per_split - 1) / p.per_split;
  const int64_t count = p.pairs * taps;
  const bool rounds = splits > 1 || kHalf<T>;
  const DeviceScratch scratch(rounds ? sizeof(Summed<T>) * static_cast<size_t>(splits * count) : 1);
  auto* parts = static_cast<Summed<T>*>(rounds ? scratch.as<void>() : dw);
  for (int64_t first = 0; first < rows; first += kMostRows) {
    const int64_t left = rows - first;
    const dim3 grid(static_cast<unsigned>(blocks), static_cast<unsigned>(splits),
                    static_cast<unsigned>(left < kMostRows ? left : kMostRows));
    launch(&tap_kernel<T, kLanes>, grid, kTapThreads, 0, stream(), p, parts,
           static_cast<unsigned>(first));
  }
  if (rounds)
    launch(&sum_taps_kernel<T>, blocks_for(count, kTapThreads), kTapThreads, 0, stream(),
           static_cast<T*>(dw), static_cast<const Summed<T>*>(parts), count,
           static_cast<int>(splits));
}

}  // namespace lamina::cuda

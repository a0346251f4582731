// Weights (filters, channels / groups, taps) in the order that WindowProblem multiplies them: for
// each phase and group, (taps of the phase x summed channels, made channels).
#pragma once

#include "cuda/conv_phase.h"
#include "cuda/scratch.h"

namespace lamina::cuda {

struct PackedWeights {
  int groups, phases;
  Dimension dims[kConvDims];
  int64_t summed, made;  // channels a group: that products are summed over, that they make
  int64_t pitch, size;   // `made` rounded up to 16 bytes; elements a group and phase
  int64_t summed_stride, made_stride;  // in the weights, as a group's
  int64_t group_stride;

  int64_t count() const { return int64_t{groups} * phases * size; }
  template <class T>
  size_t bytes() const {
    return sizeof(T) * static_cast<size_t>(count());
  }
};

template <class T>
PackedWeights packed_weights(const kernels::ConvShape& s, bool forward) {
  const int64_t channels = s.c / s.groups, filters = s.k / s.groups;
  const int64_t taps = s.kernel[0] * s.kernel[1] * s.kernel[2];
  PackedWeights p{};
  p.groups = static_cast<int>(s.groups);
  p.phases = 1;
  int64_t slots = 1;
  for (int d = 0; d < kConvDims; ++d) {
    p.dims[d] = dimension(s, d, forward);
    p.phases *= p.dims[d].phases;
    slots *= p.dims[d].slots;
  }
  p.summed = forward ? channels : filters;
  p.made = forward ? filters : channels;
  p.pitch = (p.made + kChunk<T> - 1) / kChunk<T> * kChunk<T>;
  p.size = slots * p.summed * p.pitch;
  p.summed_stride = forward ? taps : channels * taps;
  p.made_stride = forward ? channels * taps : taps;
  p.group_stride = filters * channels * taps;
  return p;
}

inline constexpr int kPackThreads = 256;

template <class T>
__global__ void __launch_bounds__(kPackThreads)
    pack_weights_kernel(const PackedWeights p, T* packed, const T* weights, int64_t count) {
  const int64_t i = int64_t{blockIdx.x} * kPackThreads + threadIdx.x;
  if (i >= count) return;
  const int64_t z = i / p.size, row = i % p.size / p.pitch, made = i % p.pitch;
  const Phases phase(p.dims, static_cast<int>(z / p.groups));
  const int64_t tap = row / p.summed;
  if (tap >= phase.taps() || made >= p.made) {  // read with the last tile; nothing but zeros may be
    packed[i] = T{};
    return;
  }
  const int64_t w = tap % phase.w.taps, h = tap / phase.w.taps % phase.h.taps,
                d = tap / phase.w.taps / phase.h.taps;
  const auto number = [](const Phase& along, const Dimension& dim, int64_t j) {
    return along.first_tap + j * (dim.forward ? 1 : dim.tap_step);
  };
  const int64_t from =
      (number(phase.d, p.dims[0], d) * p.dims[1].kernel + number(phase.h, p.dims[1], h)) *
          p.dims[2].kernel +
      number(phase.w, p.dims[2], w);
  packed[i] = weights[z % p.groups * p.group_stride + row % p.summed * p.summed_stride +
                      made * p.made_stride + from];
}

template <class T>
const T* pack_weights(const PackedWeights& p, const void* weights, const DeviceScratch& scratch) {
  launch(&pack_weights_kernel<T>, blocks_for(p.count(), kPackThreads), kPackThreads, 0, stream(), p,
         scratch.as<T>(), static_cast<const T*>(weights), p.count());
  return scratch.as<T>();
}

}  // namespace lamina::cuda

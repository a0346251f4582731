// The forward pass and the backward pass of a convolution to its input as one problem.
//
// dx at i gets dy at o with tap t where i + pad = o * stride + t * dilation.  Inputs of one phase
// p = i mod stride meet the same taps, in each dimension every (stride / gcd(stride, dilation))-th
// from the first that fits; so each phase is a convolution of stride 1 over dy, and no product with
// a zero between outputs is made.  The forward pass has one phase and all taps.
#pragma once

#include "cuda/conv_window.h"

namespace lamina::cuda {

// One dimension: what positions are made, and which windows of `source` they see.
struct Dimension {
  bool forward;
  int source, target, kernel, stride, dilation, pad;  // pad, stride, dilation of the forward pass
  int phases, slots;                                  // and the most taps of a phase
  int tap_step;                                       // from a phase's tap to the next
};

// One phase of a dimension: positions row * step_of_target + number are made of tap number
// first_tap + j * tap_step at place row * step + origin + j * reach of the source.
struct Phase {
  int number, rows, first_tap, taps;
  int step, origin, reach;

  __device__ Phase(const Dimension& d, int phase) : number(phase) {
    if (d.forward) {
      rows = d.target;
      first_tap = 0;
      taps = d.kernel;
      step = d.stride;
      origin = -d.pad;
      reach = d.dilation;
      return;
    }
    rows = (d.target - phase + d.phases - 1) / d.phases;
    for (first_tap = 0; first_tap < d.tap_step; ++first_tap)
      if ((phase + d.pad - first_tap * d.dilation) % d.stride == 0) break;
    const bool meets = first_tap < d.tap_step && first_tap < d.kernel;
    taps = meets ? (d.kernel - first_tap + d.tap_step - 1) / d.tap_step : 0;
    step = 1;
    origin = meets ? (phase + d.pad - first_tap * d.dilation) / d.stride : 0;
    reach = -(d.tap_step * d.dilation / d.stride);
  }
};

struct Phases {
  Phase d, h, w;

  __device__ Phases(const Dimension (&dims)[kConvDims], int phase)
      : d(dims[0], phase / (dims[2].phases * dims[1].phases)),
        h(dims[1], phase / dims[2].phases % dims[1].phases),
        w(dims[2], phase % dims[2].phases) {}
  __device__ int taps() const { return d.taps * h.taps * w.taps; }
  __device__ int64_t rows() const { return int64_t{d.rows} * h.rows * w.rows; }
};

inline int greatest_common_divisor(int a, int b) {
  return b == 0 ? a : greatest_common_divisor(b, a % b);
}

inline Dimension dimension(const kernels::ConvShape& s, int i, bool forward) {
  Dimension d{};
  d.forward = forward;
  d.source = static_cast<int>(forward ? s.in[i] : s.out[i]);
  d.target = static_cast<int>(forward ? s.out[i] : s.in[i]);
  d.kernel = static_cast<int>(s.kernel[i]);
  d.pad = static_cast<int>(s.pad[i]);
  d.stride = s.out[i] > 1 ? static_cast<int>(s.stride[i]) : 1;  // of one output nobody sees it
  d.dilation = s.kernel[i] > 1 ? static_cast<int>(s.dilation[i]) : 1;
  d.tap_step = forward ? 1 : d.stride / greatest_common_divisor(d.stride, d.dilation);
  d.phases = forward ? 1 : d.stride < d.target ? d.stride : d.target;
  d.slots = (d.kernel + d.tap_step - 1) / d.tap_step;
  return d;
}

// Whether all sizes and places are ints well below their range, with `channels` at most a group, and
// phases of dgrad are not many more than taps: each has its slots in the packed weights.
inline bool places_fit(const kernels::ConvShape& s, kernels::ConvPass pass, int64_t channels) {
  constexpr int64_t kMost = kFarthest / 2, kMostPhases = 16;
  int64_t taps = 1, slots = 1;
  if (s.n >= kMost || channels >= kMost || s.groups >= kMost) return false;
  for (int i = 0; i < kConvDims; ++i) {
    if (s.in[i] >= kMost || s.out[i] >= kMost || s.kernel[i] >= kMost || s.pad[i] >= kMost)
      return false;
    if (s.out[i] > 1 && s.stride[i] >= kMost / (s.out[i] - 1)) return false;
    if (s.kernel[i] > 1 && s.dilation[i] >= kMost / (s.kernel[i] - 1)) return false;
    const Dimension d = dimension(s, i, pass != kernels::ConvPass::dgrad);
    taps *= s.kernel[i];
    slots *= int64_t{d.phases} * d.slots;
    if (taps >= kMost || slots >= kMost) return false;
  }
  return taps * channels < kMost && slots <= kMostPhases * taps && slots * s.groups < kMost;
}

}  // namespace lamina::cuda

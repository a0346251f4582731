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

}  // namespace lamina::cuda

// One form for every dense pass that makes activations: a sum over taps on a grid of output
// positions,
//
//   y[n, k, o] = bias[k] + sum over c, t of x[n, c, o * step + offset(t)] * w[k, c, tap(t)] (x is 0
//   outside)
//
// fprop is one such sum.  dgrad has one for each residue of the input position modulo the stride:
// positions of one residue meet the same subset of the taps, on a grid of their own (the same
// kernel serves transposed convolution).
#pragma once

#include "cpu/vec.h"
#include "kernels/conv.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::ConvShape;
using kernels::ConvTensor;
using kernels::kConvDims;

// The taps of one dimension, by rising offset: the i-th reads at offset + i * offset_step and is
// kernel index tap + i * tap_step.
struct AxisTaps {
  int64_t count, offset, offset_step, tap, tap_step;
};

// Shapes are those of one group.
struct TapSum {
  int64_t n, c, k;  // k outputs from a reduction over c
  int64_t in[kConvDims], grid[kConvDims], step[kConvDims];
  AxisTaps axis[kConvDims];
  int64_t x_stride[2 + kConvDims], y_stride[2 + kConvDims];  // (N, C, D, H, W)
  int64_t y_offset;                                          // of the grid's first position

  LAMINA_INLINE int64_t taps() const { return axis[0].count * axis[1].count * axis[2].count; }
  LAMINA_INLINE int64_t positions() const { return n * grid[0] * grid[1] * grid[2]; }
};

LAMINA_INLINE TapSum fprop_sum(const ConvShape& s, const ConvTensor& x, const ConvTensor& y) {
  TapSum sum{};
  sum.n = s.n;
  sum.c = s.c / s.groups;
  sum.k = s.k / s.groups;
  for (int d = 0; d < kConvDims; ++d) {
    sum.in[d] = s.in[d];
    sum.grid[d] = s.out[d];
    sum.step[d] = s.out[d] > 1 ? s.stride[d] : 1;  // a single position takes no step
    sum.axis[d] = {s.kernel[d], -s.pad[d], s.dilation[d], 0, 1};
  }
  for (int i = 0; i < 2 + kConvDims; ++i) {
    sum.x_stride[i] = x.stride[i];
    sum.y_stride[i] = y.stride[i];
  }
  return sum;
}

// Input position i meets tap t where i + pad - t * dilation = o * stride; for i = residue + j *
// stride that is o = j + (residue + pad - t * dilation) / stride, for the taps that divide.
LAMINA_INLINE AxisTaps dgrad_axis(const ConvShape& s, int d, int64_t residue) {
  AxisTaps axis{0, 0, 1, 0, 1};
  int64_t first = -1, last = -1, period = 1;
  for (int64_t t = 0; t < s.kernel[d]; ++t)
    if ((residue + s.pad[d] - t * s.dilation[d]) % s.stride[d] == 0) {
      if (axis.count++ == 0)
        first = t;
      else if (axis.count == 2)
        period = t - first;
      last = t;
    }
  if (axis.count == 0) return axis;
  axis.tap = last;  // offsets fall with t
  axis.tap_step = -period;
  axis.offset = (residue + s.pad[d] - last * s.dilation[d]) / s.stride[d];
  axis.offset_step = period * s.dilation[d] / s.stride[d];
  return axis;
}

// Residues that some input position has.
LAMINA_INLINE int64_t residues(const ConvShape& s, int d) {
  return s.stride[d] < s.in[d] ? s.stride[d] : s.in[d];
}
LAMINA_INLINE int64_t residues(const ConvShape& s) {
  return residues(s, 0) * residues(s, 1) * residues(s, 2);
}

LAMINA_INLINE TapSum dgrad_sum(const ConvShape& s, const ConvTensor& dy, const ConvTensor& dx,
                               int64_t residue) {
  TapSum sum{};
  sum.n = s.n;
  sum.c = s.k / s.groups;
  sum.k = s.c / s.groups;
  for (int d = kConvDims - 1; d >= 0; --d) {
    const int64_t r = residue % residues(s, d);
    residue /= residues(s, d);
    sum.in[d] = s.out[d];
    sum.grid[d] = (s.in[d] - r + s.stride[d] - 1) / s.stride[d];
    sum.step[d] = 1;
    sum.axis[d] = dgrad_axis(s, d, r);
    sum.y_stride[2 + d] = dx.stride[2 + d] * s.stride[d];
    sum.y_offset += dx.stride[2 + d] * r;
    sum.x_stride[2 + d] = dy.stride[2 + d];
  }
  for (int i = 0; i < 2; ++i) {
    sum.x_stride[i] = dy.stride[i];
    sum.y_stride[i] = dx.stride[i];
  }
  return sum;
}

// Whether the inputs of a small box of output positions fit in some 100 MB of scratch: not so for
// absurd strides and dilations, which only the plain loops of the reference take.
LAMINA_INLINE bool boxes_fit(const ConvShape& s) {
  double positions = 1;
  for (int d = 0; d < kConvDims; ++d) {
    const double out = static_cast<double>(s.out[d] < 16 ? s.out[d] : 16);
    positions *= (out - 1) * static_cast<double>(s.stride[d]) +
                 static_cast<double>(s.kernel[d] - 1) * static_cast<double>(s.dilation[d]) + 1;
  }
  return positions < 1 << 18;
}

// f(position, t): the taps of a sum in its order, as indices t of the kernel.
template <class F>
LAMINA_INLINE void for_each_tap(const TapSum& sum, const ConvShape& s, const F& f) {
  const AxisTaps* a = sum.axis;
  int64_t position = 0;
  for (int64_t d = 0; d < a[0].count; ++d)
    for (int64_t h = 0; h < a[1].count; ++h)
      for (int64_t w = 0; w < a[2].count; ++w)
        f(position++,
          ((a[0].tap + d * a[0].tap_step) * s.kernel[1] + a[1].tap + h * a[1].tap_step) *
                  s.kernel[2] +
              a[2].tap + w * a[2].tap_step);
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

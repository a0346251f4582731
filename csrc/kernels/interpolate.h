// Resampling along depth, height and width: y[o] = the sum over taps k of weight[o, k] x[index[o, k]]
// in each dimension, one table a dimension.
//
// Every mode of interpolation is such tables, and its backward pass the transposed ones.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lamina::kernels {

inline constexpr int kResampleDims = 3;  // one over fewer has sizes of 1 in front

struct ResampleDim {
  int64_t in, out;
  int taps;              // the longest list
  const int32_t* count;  // (out,): how many of its taps an output has
  const int32_t* index;  // (out, taps)
  const double* weight;  // (out, taps)
};

struct ResamplePlan {
  DType dtype;         // float32 or float64
  bool channels_last;  // memory order N, D, H, W, C; else N, C, D, H, W.  Both without gaps
  int64_t batch, channels;
  ResampleDim dims[kResampleDims];
};

struct Interpolate {
  void (*resample)(const ResamplePlan& plan, const void* x, void* y);
};

}  // namespace lamina::kernels

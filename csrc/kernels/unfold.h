// Patches as columns (im2col) and back (col2im), its transpose:
//
//   columns[p, t, o] = x[p, o * stride - padding + t * dilation], 0 outside;
//   x[p, i] = sum of columns[p, t, o] over all t, o with o * stride - padding + t * dilation = i,
//
// for planes p = (image, channel), taps t = (th, tw) and positions o = (oh, ow).
#pragma once

#include "core/dtype.h"

namespace lamina::kernels {

struct UnfoldShape {
  DType dtype;  // float32 or float64
  int64_t planes;
  int64_t in[2], out[2];  // height, width
  int64_t kernel[2], stride[2], padding[2], dilation[2];
};

// x (planes, in...) and columns (planes, kernel..., out...), both row-major.
struct Unfold {
  void (*unfold)(const UnfoldShape& shape, const void* x, void* columns);
  void (*fold)(const UnfoldShape& shape, const void* columns, void* x);
};

}  // namespace lamina::kernels

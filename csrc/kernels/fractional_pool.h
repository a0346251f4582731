// Fractional max pooling (Graham, 2014): windows of one size whose distances, of two neighbouring
// integers, are drawn.  In a dimension, window o begins at
//   int((o + u) * a) - int(u * a),  a = (in - kernel) / (out - 1), u in [0, 1) drawn for each plane,
// and the last one at in - kernel.
#pragma once

#include "core/dtype.h"

namespace lamina::kernels {

inline constexpr int kFractionalDims = 3;  // depth, height, width; sizes of 1 in front

struct FractionalPoolShape {
  DType dtype;  // float32 or float64, of x and the draws
  int rank;     // 2 or 3: how many of the dimensions are drawn, the last ones
  int64_t planes;
  int64_t in[kFractionalDims], out[kFractionalDims], kernel[kFractionalDims];
};

struct FractionalPool {
  // The place (d*H + h)*W + w of each window's largest element: index (planes, out...) of
  // x (planes, in...) and draws (planes, rank), all row-major.  NaN wins, the last one; among equals
  // the first.
  void (*winners)(const FractionalPoolShape& shape, const void* x, const void* draws,
                  int64_t* index);
};

}  // namespace lamina::kernels

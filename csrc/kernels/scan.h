// Running sums and products along one dimension.
#pragma once

#include "core/dtype.h"
#include "kernels/loop.h"

namespace lamina::kernels {

enum class ScanOp { sum, prod, max, min };

// Lines of n elements; the loop's positions are the lines, its strides (out, in) lead from line to
// line.
struct ScanLines {
  Loop<2> lines;
  int64_t n;
  int64_t out_stride, in_stride;  // along a line, in elements
  DType dtype;                    // float32, float64 or int64
  int64_t* indices;               // of max and min: strided as the output; else null
};

struct Scan {
  void (*scan)(ScanOp op, const ScanLines& lines);
};

}  // namespace lamina::kernels

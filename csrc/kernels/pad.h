// Padding: y[o] = x[source(o)], each dimension by a table of its own, or a constant.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lamina::kernels {

inline constexpr int kPadRank = 16;

struct PadDim {
  int64_t in, out;
  int64_t in_stride;  // of x, in elements; y has no gaps
  // All three null where in == out and every position shows itself.
  const int64_t* source;   // (out,): the position in x that o shows, -1 for the constant
  const int64_t* first;    // (in + 1,): where i's part of `images` begins
  const int64_t* images;   // the o that show i, ascending
  int64_t begin, run, at;  // y[begin ... begin + run) is x[at ... at + run)
};

// Dimensions in y's memory order, the outermost first; the last one is a row of in * unit elements
// of x that lie together.
struct PadPlan {
  int rank;  // at least 1
  PadDim dims[kPadRank];
  int64_t unit;
};

struct Pad {
  // value: begins with one element, the constant.
  void (*forward)(const PadPlan& plan, int itemsize, const void* x, const uint64_t& value, void* y);
  // dx[i] = the sum of dy over the images of i.  dtype: float32 or float64.
  void (*backward)(const PadPlan& plan, DType dtype, const void* dy, void* dx);
};

}  // namespace lamina::kernels

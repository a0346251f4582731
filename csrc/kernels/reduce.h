// Reductions: out[kept] = f over all reduced positions of in[kept, reduced].
#pragma once

#include "core/dtype.h"
#include "kernels/loop.h"

namespace lamina::kernels {

enum class Reduce {
  sum,
  mean,
  prod,
  amax,  // NaN wins
  amin,
  any,
  all,
  norm0,     // how many are not zero
  norm1,     // sum |x|
  norm2,     // sqrt(sum x^2)
  norm_inf,  // max |x|
  norm_neg_inf,
  norm_p,  // (sum |x|^p)^(1/p)
  var,     // sum (x - mean)^2 / (n - correction); also writes the mean where `second` is given
  std,
  argmax,  // the first index of the largest; NaN wins
  argmin,
  max,  // the largest, and its first index in `second`
  min,
};

// Dimensions of size 1 are gone, neighbours that lie together are merged, each group is ordered
// from the outermost in the input's memory to the innermost.  Reduced positions are numbered in
// that order; indices count them, so that index reductions have exactly one reduced dimension.
struct Reduction {
  int kept, reduced;  // ranks
  int64_t kept_shape[kMaxLoopRank];
  int64_t kept_in[kMaxLoopRank];   // strides in elements
  int64_t kept_out[kMaxLoopRank];  // also those of `second`
  int64_t reduced_shape[kMaxLoopRank];
  int64_t reduced_in[kMaxLoopRank];
  const void* in;
  void* out;
  void* second;  // int64 indices of max and min, the mean of var and std; or null
  DType in_dtype, out_dtype;
  DType compute;     // float32, float64, int64 or bool: what elements are converted to
  double parameter;  // p of norm_p, correction of var and std
};

struct Reducers {
  void (*reduce)(Reduce op, const Reduction& reduction);
};

}  // namespace lamina::kernels

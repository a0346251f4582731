// Convolution over up to three spatial dimensions (cross-correlation, as everywhere in deep
// learning):
//
//   y[n, k, o] = bias[k] + sum over c, t of x[n, c, o * stride + t * dilation - pad] * w[k, c, t]
//
// with o, t running over (depth, height, width); 1-d and 2-d convolutions have size 1 in the
// leading dimensions. Channels come in `groups`: output channel k sees the c / groups input
// channels of its own group.
//   fprop makes y,  dgrad makes dx from dy (the fprop of a transposed convolution),  wgrad makes dw
//   from x and dy.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/dtype.h"
#include "kernels/moments.h"

namespace lamina {
class Kept;
}

namespace lamina::kernels {

inline constexpr int kConvDims = 3;  // depth, height, width

struct ConvShape {
  int64_t n, c, k, groups;
  int64_t in[kConvDims], out[kConvDims];
  int64_t kernel[kConvDims], stride[kConvDims], dilation[kConvDims];
  int64_t
      pad[kConvDims];  // zeros before the first input; those behind the last one follow from `out`
};

// An activation of any layout: strides of (N, C, D, H, W) in elements.
struct ConvTensor {
  void* data;
  int64_t stride[2 + kConvDims];
};

// What happens to a sum before it becomes y: y = min(max(sum + bias + residual, low), high), where
// NaN stays.
struct ConvEpilogue {
  const void* bias = nullptr;      // (k,) or null
  const void* residual = nullptr;  // laid out as y, or null
  double low = -HUGE_VAL, high = HUGE_VAL;
  Kept* kept = nullptr;  // of w, where it stays the same from call to call
  // Null or, without a residual and bounds, what fprop may leave of y's channels: `parts` has room for
  // k times the parts of kLeastMomentRows, and fprop sets count and rows.  Zero: it left nothing.
  Moments* moments = nullptr;
};

enum class ConvAlgorithm {
  automatic,
  reference,
  implicit,
  depthwise,
  winograd,
  fft,
  phases,
  small
};
enum class ConvPass { fprop, dgrad, wgrad };

// What an algorithm counts of a pass, in units of its own, and the seconds that one core is predicted
// to take for them: infinite where the algorithm isn't considered, NaN on devices without a model.
inline constexpr int kConvUnits = 9;
struct ConvWork {
  double units[kConvUnits];
  double seconds;
};

// Of float32 or float64; on CUDA also of bfloat16 and float16, summed in float32.
struct Conv {
  // What `automatic` stands for.
  ConvAlgorithm (*choice)(ConvPass pass, const ConvShape& shape, DType dtype);
  // Whether `algorithm` computes this pass of this shape.
  bool (*offers)(ConvAlgorithm algorithm, ConvPass pass, const ConvShape& shape, DType dtype);
  // Of an algorithm that offers the pass.
  ConvWork (*work)(ConvAlgorithm algorithm, ConvPass pass, const ConvShape& shape, DType dtype);

  // w is (k, c / groups, kernel...) contiguous.
  void (*fprop)(ConvAlgorithm algorithm, const ConvShape& shape, DType dtype, const ConvTensor& x,
                const void* w, const ConvEpilogue& epilogue, const ConvTensor& y);
  // bias, of a transposed convolution, is (c,) or null.
  void (*dgrad)(ConvAlgorithm algorithm, const ConvShape& shape, DType dtype, const ConvTensor& dy,
                const void* w, const void* bias, const ConvTensor& dx);
  void (*wgrad)(ConvAlgorithm algorithm, const ConvShape& shape, DType dtype, const ConvTensor& x,
                const ConvTensor& dy, void* dw);
  // db[k] = sum of dy over n and o.
  void (*bias_grad)(const ConvShape& shape, DType dtype, const ConvTensor& dy, void* db);
  // Whether fprop may leave moments.
  bool (*leaves_moments)(ConvAlgorithm algorithm, const ConvShape& shape, DType dtype);
};

}  // namespace lamina::kernels

// Convolution and transposed convolution over 1 to 3 spatial dimensions.  Messages name the op by
// that number: [conv2d], [conv_transpose3d].
#pragma once

#include <optional>
#include <utility>

#include "core/array.h"
#include "kernels/conv.h"
#include "ops/moments.h"

namespace lamina::ops {

// How a kernel moves over its input; one entry for each spatial dimension.  pad_end may be negative:
// that many inputs at the end are not read (so says the output padding of a transposed convolution).
struct ConvGeometry {
  Dims stride, pad_begin, pad_end, dilation;
  int64_t groups;
  kernels::ConvAlgorithm algorithm;
};

// What results are held between; NaN stays.
struct Bounds {
  double low = -HUGE_VAL, high = HUGE_VAL;
  bool none() const { return low == -HUGE_VAL && high == HUGE_VAL; }
};

// The algorithm that a pass runs by: geometry's own, or what it picks by shape.
kernels::ConvAlgorithm conv_choice(const Dims& x, const Dims& w, const ConvGeometry& geometry,
                                   DType dtype, Device device, kernels::ConvPass pass);

// What geometry's own algorithm counts of a pass that it offers, and how long it would take.
kernels::ConvWork conv_work(const Dims& x, const Dims& w, const ConvGeometry& geometry, DType dtype,
                            Device device, kernels::ConvPass pass);

// x (N, C, spatial...), w (K, C / groups, kernel...), bias (K,) or null -> (N, K, out...), where
//   out = (in + pad_begin + pad_end - dilation * (kernel - 1) - 1) / stride + 1, rounded down.
// Channels-last from 16 output channels on, else row-major.
//
// With a residual, y = conv + residual; then y is held between the bounds.  `kept`: of weights that
// stay the same from call to call, for as long as they do.
Array conv(const Array& x, const Array& w, const Array* bias, const ConvGeometry& geometry,
           const Array* residual = nullptr, const Bounds& bounds = {}, Kept* kept = nullptr);

// conv, and what its kernel has found of the result's channels on the way, which may be nothing; null
// where no kernel could have.
std::pair<Array, std::optional<Moments>> conv_moments(const Array& x, const Array& w,
                                                      const Array* bias,
                                                      const ConvGeometry& geometry);

// Gradients of conv from dy (N, K, out...); also the two halves of its derivatives of any order.
Array conv_dgrad(const Array& dy, const Array& w, const Dims& x_shape,
                 const ConvGeometry& geometry);
Array conv_wgrad(const Array& x, const Array& dy, const Dims& w_shape,
                 const ConvGeometry& geometry);
Array conv_bias_grad(const Array& dy);  // (K,)

// The transpose of conv: x (N, K, spatial...), w (K, C / groups, kernel...), bias (C,) or null
// -> (N, C, out...), where
//   out = (in - 1) * stride + dilation * (kernel - 1) + 1 - pad_begin - pad_end,
// so that pad_end = pad_begin - output padding.  conv and conv_wgrad give its gradients.
Array conv_transpose(const Array& x, const Array& w, const Array* bias,
                     const ConvGeometry& geometry);

}  // namespace lamina::ops

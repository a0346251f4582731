// The two memory orders that ops over channels compute in, and what their checks share.
#pragma once

#include <optional>

#include "ops/copy.h"

namespace lamina::ops {

// Whether the channels of (N, C, spatial...) lie side by side: channels-last, or no spatial dimensions.
inline bool channels_are_rows(const Array& x) {
  return x.rank() == 2 ||
         (x.rank() >= 3 && x.rank() <= 5 && !x.is_contiguous() && x.is_channels_last());
}

inline Array in_order(const Array& a, bool rows) {
  return rows && a.rank() > 2 ? channels_last(a) : contiguous(a);
}

inline std::optional<Array> in_order(const std::optional<Array>& a, bool rows) {
  return a ? std::optional(in_order(*a, rows)) : a;
}

// x as (outer, channels, inner) in its order of memory.
struct ChannelShape {
  int64_t outer, channels, inner;
};
inline ChannelShape channel_shape(const Array& x) {
  const int64_t channels = x.size(1), n = channels ? x.numel() / channels : 0;
  if (channels_are_rows(x)) return {n, channels, 1};
  return {x.size(0), channels, x.size(0) ? n / x.size(0) : 0};
}

inline void check_real(const Array& x, const char* op) {
  check<TypeError>(x.dtype() == DType::float32 || x.dtype() == DType::float64, "[", op,
                   "] expected float32 or float64, got ", name(x.dtype()));
}

// A parameter, where there is one, has this shape and what else x has.
inline void check_parameter(const std::optional<Array>& a, const Dims& shape, const Array& x,
                            const char* op, const char* what) {
  if (!a) return;
  check(a->shape() == shape && a->dtype() == x.dtype() && a->device() == x.device(), "[", op,
        "] expected ", what, " of shape ", shape, " and ", name(x.dtype()), " on ",
        name(x.device()), ", got ", a->shape(), " and ", name(a->dtype()), " on ",
        name(a->device()));
}

inline void check_gradient(const Array& grad, const Array& like, const char* op) {
  check(grad.shape() == like.shape() && grad.dtype() == like.dtype() &&
            grad.device() == like.device(),
        "[", op, "] expected a gradient of shape ", like.shape(), " and ", name(like.dtype()),
        " on ", name(like.device()), ", got ", grad.shape(), " and ", name(grad.dtype()), " on ",
        name(grad.device()));
}

// The values one after the other, as kernels want them.
inline std::optional<Array> packed(const std::optional<Array>& a) {
  return a ? std::optional(contiguous(*a)) : a;
}

inline void* raw_or_null(const std::optional<Array>& a) { return a ? a->raw() : nullptr; }

}  // namespace lamina::ops

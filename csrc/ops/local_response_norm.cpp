#include "ops/local_response_norm.h"

#include <algorithm>

#include "kernels/local_response_norm.h"
#include "kernels/registry.h"
#include "ops/channel_layout.h"

namespace lamina::ops {
namespace {

constexpr const char* kOp = "local_response_norm";

kernels::LocalResponseNormArgs args_of(const Array& x, const void* dy, const Array& out,
                                       const LocalResponseNormOptions& o) {
  const ChannelShape s = channel_shape(x);
  // A window that reaches past every channel is no different from the least that does, but for the
  // size that divides alpha.
  const int64_t size = std::min(o.size, 2 * s.channels + 1);
  const double alpha = o.alpha * (static_cast<double>(size) / static_cast<double>(o.size));
  return {s.outer, s.channels, s.inner, x.dtype(), size,     alpha,
          o.beta,  o.k,        x.raw(), dy,        out.raw()};
}

void check_input(const Array& x, const LocalResponseNormOptions& o) {
  check_real(x, kOp);
  check(x.rank() >= 3, "[", kOp, "] expected at least 3 dimensions (N, C, spatial...), got shape ",
        x.shape());
  check(o.size >= 1, "[", kOp, "] expected a size of at least 1, got ", o.size);
}

}  // namespace

Array local_response_norm(const Array& input, const LocalResponseNormOptions& options) {
  check_input(input, options);
  const Array x = in_order(input, channels_are_rows(input));
  const Array y = Array::empty_like(x, x.dtype());
  if (x.numel())
    kernels::on<kernels::LocalResponseNorm>(x.device()).forward(args_of(x, nullptr, y, options));
  return y;
}

Array local_response_norm_backward(const Array& input, const Array& grad,
                                   const LocalResponseNormOptions& options) {
  check_input(input, options);
  check_gradient(grad, input, kOp);
  const bool rows = channels_are_rows(input);
  const Array x = in_order(input, rows), dy = in_order(grad, rows);
  const Array dx = Array::empty_like(x, x.dtype());
  if (x.numel())
    kernels::on<kernels::LocalResponseNorm>(x.device()).backward(args_of(x, dy.raw(), dx, options));
  return dx;
}

}  // namespace lamina::ops

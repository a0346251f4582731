#include "ops/softmax.h"

#include "kernels/registry.h"
#include "kernels/softmax.h"
#include "ops/elementwise.h"
#include "ops/shape.h"

namespace lamina::ops {
namespace {

using kernels::SoftmaxShape;

// Channels-last memory has the channels side by side: rows of n along dimension 1.
bool along_channels(const Array& x, int dim) {
  return dim == 1 && !x.is_contiguous() && x.is_channels_last();
}

SoftmaxShape softmax_shape(const Array& x, int dim, bool rows) {
  const int64_t n = x.rank() ? x.size(dim) : 1;
  if (rows) return {n ? x.numel() / n : 0, n, 1};
  SoftmaxShape s{1, n, 1};
  for (int d = 0; d < dim; ++d) s.outer *= x.size(d);
  for (int d = dim + 1; d < x.rank(); ++d) s.inner *= x.size(d);
  return s;
}

void check_real(const Array& x, const char* op) {
  check<TypeError>(x.dtype() == DType::float32 || x.dtype() == DType::float64, "[", op,
                   "] expected float32 or float64, got ", name(x.dtype()));
}

}  // namespace

Array softmax(const Array& input, int64_t dim, bool log) {
  const char* op = log ? "log_softmax" : "softmax";
  check_real(input, op);
  const int d = wrap_dim(dim, input.rank(), op);
  const bool rows = along_channels(input, d);
  const Array x = rows ? input : contiguous(input);
  Array y = Array::empty_like(x, x.dtype());
  if (x.numel())
    kernels::on<kernels::Softmax>(x.device())
        .forward(x.dtype(), softmax_shape(x, d, rows), log, x.raw(), y.raw());
  return y;
}

Array softmax_backward(const Array& output, const Array& grad, int64_t dim, bool log) {
  const char* op = log ? "log_softmax" : "softmax";
  check(output.shape() == grad.shape() && output.dtype() == grad.dtype(), "[", op,
        "] expected a gradient like the output, got shape ", grad.shape(), " for ", output.shape());
  const int d = wrap_dim(dim, output.rank(), op);
  const bool rows = along_channels(output, d);
  const Array y = rows ? output : contiguous(output);
  const Array dy = rows ? channels_last(grad) : contiguous(grad);
  Array dx = Array::empty_like(y, y.dtype());
  if (y.numel())
    kernels::on<kernels::Softmax>(y.device())
        .backward(y.dtype(), softmax_shape(y, d, rows), log, y.raw(), dy.raw(), dx.raw());
  return dx;
}

}  // namespace lamina::ops

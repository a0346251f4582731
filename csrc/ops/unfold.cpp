#include "ops/unfold.h"

#include "kernels/registry.h"
#include "kernels/unfold.h"
#include "ops/elementwise.h"

namespace lamina::ops {
namespace {

using kernels::Unfold;
using kernels::UnfoldShape;

constexpr int64_t kLimit = int64_t{1} << 31;

void check_numbers(const Dims& values, int64_t least, const char* what, const char* op) {
  check(values.size() == 2, "[", op, "] expected 2 values of ", what, ", got ", values);
  for (int64_t v : values)
    check(v >= least && v < kLimit, "[", op, "] expected ", what, " of at least ", least,
          " and below 2^31, got ", values);
}

UnfoldShape unfold_shape(const Dims& size, const PatchGrid& g, DType dtype, const char* op) {
  check<TypeError>(dtype == DType::float32 || dtype == DType::float64, "[", op,
                   "] expected float32 or float64, got ", name(dtype));
  check_numbers(g.kernel, 1, "kernel_size", op);
  check_numbers(g.dilation, 1, "dilation", op);
  check_numbers(g.padding, 0, "padding", op);
  check_numbers(g.stride, 1, "stride", op);
  check_numbers(size, 1, "image size", op);
  UnfoldShape s{};
  s.dtype = dtype;
  for (int d = 0; d < 2; ++d) {
    s.in[d] = size[d];
    s.kernel[d] = g.kernel[d];
    s.stride[d] = g.stride[d];
    s.padding[d] = g.padding[d];
    s.dilation[d] = g.dilation[d];
    const int64_t room = size[d] + 2 * g.padding[d] - g.dilation[d] * (g.kernel[d] - 1) - 1;
    check(room >= 0, "[", op, "] expected patches that fit in the padded image, got kernel_size ",
          g.kernel, " with dilation ", g.dilation, " for an image of ", size, " with padding ",
          g.padding);
    s.out[d] = room / g.stride[d] + 1;
  }
  return s;
}

}  // namespace

Array unfold_patches(const Array& x, const PatchGrid& g) {
  const char* op = "unfold";
  check(x.rank() == 4 && x.size(1) > 0, "[", op,
        "] expected an input (N, C, H, W) with at least one channel, got shape ", x.shape());
  UnfoldShape s = unfold_shape({x.size(2), x.size(3)}, g, x.dtype(), op);
  s.planes = x.size(0) * x.size(1);
  int64_t rows, positions;
  check(!__builtin_mul_overflow(x.size(1), s.kernel[0] * s.kernel[1], &rows) &&
            !__builtin_mul_overflow(s.out[0], s.out[1], &positions),
        "[", op, "] columns of an input of shape ", x.shape(), " are too large");
  const Array columns = Array::empty({x.size(0), rows, positions}, x.dtype(), x.device(), op);
  const Array in = contiguous(x);
  if (columns.numel() > 0) kernels::on<Unfold>(x.device()).unfold(s, in.raw(), columns.raw());
  return columns;
}

Array fold_patches(const Array& columns, const Dims& size, const PatchGrid& g) {
  const char* op = "fold";
  check(columns.rank() == 3, "[", op, "] expected an input (N, C * kernel, positions), got shape ",
        columns.shape());
  UnfoldShape s = unfold_shape(size, g, columns.dtype(), op);
  const int64_t taps = s.kernel[0] * s.kernel[1], rows = columns.size(1);
  check(rows > 0 && rows % taps == 0, "[", op, "] expected a multiple of ", taps,
        " rows for kernel_size ", g.kernel, ", got shape ", columns.shape());
  check(columns.size(2) == s.out[0] * s.out[1], "[", op, "] expected ", s.out[0], " x ", s.out[1],
        " positions for an image of ", size, ", got shape ", columns.shape());
  const int64_t channels = rows / taps;
  s.planes = columns.size(0) * channels;
  const Array x = Array::empty({columns.size(0), channels, size[0], size[1]}, columns.dtype(),
                               columns.device(), op);
  const Array in = contiguous(columns);
  if (x.numel() > 0) kernels::on<Unfold>(x.device()).fold(s, in.raw(), x.raw());
  return x;
}

}  // namespace lamina::ops

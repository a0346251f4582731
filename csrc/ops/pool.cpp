#include "ops/pool.h"

#include "kernels/registry.h"
#include "ops/elementwise.h"

namespace lamina::ops {
namespace {

using kernels::kPoolDims;
using kernels::Pool;
using kernels::PoolShape;

int64_t effective(int64_t kernel, int64_t dilation) { return (kernel - 1) * dilation + 1; }

// With ceil_mode a last window may hang over the right edge, but has to start inside the input or the left padding.
int64_t output_size(int64_t in, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation, bool ceil_mode) {
  const int64_t room = in + 2 * padding - effective(kernel, dilation);
  if (room < 0 && !(ceil_mode && room + stride > 0)) return 0;
  const int64_t out = (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
  return ceil_mode && (out - 1) * stride >= in + padding ? out - 1 : out;
}

void check_rank(const Dims& x_shape, int rank, const char* op) {
  check(rank >= 1 && rank <= kPoolDims, "[", op, "] expected 1 to 3 spatial dimensions, got ", rank);
  check(x_shape.size() == rank + 1 || x_shape.size() == rank + 2, "[", op, "] expected a ", rank + 1, "-d or ",
        rank + 2, "-d input (with or without batch), got shape ", x_shape);
}

// A geometry without windows yet: sizes of 1 in front of the spatial ones.
PoolGeometry begin_geometry(const Dims& x_shape, int rank, const char* op) {
  check_rank(x_shape, rank, op);
  PoolGeometry g{rank, {}, {}, {}};
  for (int d = 0; d < kPoolDims; ++d) {
    g.shape.in[d] = g.shape.out[d] = g.shape.kernel[d] = g.shape.stride[d] = g.shape.dilation[d] = 1;
    g.shape.padding[d] = 0;
  }
  for (int d = 0; d < rank; ++d) {
    const int64_t in = x_shape[x_shape.size() - rank + d];
    check(in > 0, "[", op, "] expected spatial sizes of at least 1, got shape ", x_shape);
    g.in.push_back(g.shape.in[kPoolDims - rank + d] = in);
  }
  return g;
}

// One window that holds everything is the same on the plane laid out as a line.
void flatten_global(PoolShape& s) {
  int64_t total = 1;
  for (int d = 0; d < kPoolDims; ++d) {
    const bool whole = s.out[d] == 1 && s.padding[d] == 0 && s.kernel[d] == s.in[d] && (s.dilation[d] == 1 || s.kernel[d] == 1);
    if (!whole) return;
    total *= s.in[d];
  }
  for (int d = 0; d < kPoolDims; ++d) s.in[d] = s.kernel[d] = s.stride[d] = s.dilation[d] = 1;
  s.in[kPoolDims - 1] = s.kernel[kPoolDims - 1] = total;
  s.adaptive = true;
}

void check_taps(const PoolShape& s, const char* op) {
  int64_t taps = 1;
  for (int64_t k : s.kernel)
    check(!__builtin_mul_overflow(taps, k, &taps) && taps < INT32_MAX, "[", op, "] expected a window of less than 2^31 elements");
}

// The full shape of an array of the geometry's sizes with x's batch and channels.
Dims with_spatial(const Array& x, const Dims& spatial, int rank) {
  Dims shape;
  for (int d = 0; d < x.rank() - rank; ++d) shape.push_back(x.size(d));
  for (int64_t s : spatial) shape.push_back(s);
  return shape;
}

// x in one of the two layouts, and the shape that a kernel gets.
struct Ready {
  Array x;
  PoolShape shape;
};

bool channels_last(const Array& x) { return !x.is_contiguous() && x.is_channels_last(); }

Ready ready(const Array& x, const PoolGeometry& g, const Dims& spatial, const char* op) {
  check_rank(x.shape(), g.rank, op);
  check(x.shape() == with_spatial(x, spatial, g.rank), "[", op, "] expected spatial sizes ", spatial, ", got shape ", x.shape());
  check<TypeError>(x.dtype() == DType::float32 || x.dtype() == DType::float64, "[", op,
                   "] expected float32 or float64, got ", name(x.dtype()));
  PoolShape shape = g.shape;
  const bool batched = x.rank() == g.rank + 2;
  shape.dtype = x.dtype();
  shape.channels_last = batched && channels_last(x);
  shape.batch = batched ? x.size(0) : 1;
  shape.channels = x.size(batched ? 1 : 0);
  return {shape.channels_last ? x : contiguous(x), shape};
}

// The taps that belong to y, in its layout.
Array ready_taps(const Array& taps, const Dims& y_shape, const PoolShape& shape, const char* op) {
  check(taps.shape() == y_shape, "[", op, "] expected taps of shape ", y_shape, ", got ", taps.shape());
  check<TypeError>(taps.dtype() == kernels::tap_dtype(shape), "[", op, "] expected taps of ",
                   name(kernels::tap_dtype(shape)), ", got ", name(taps.dtype()));
  return shape.channels_last ? ops::channels_last(taps) : contiguous(taps);
}

}  // namespace

PoolGeometry pool_geometry(const Dims& x_shape, const PoolWindow& w, const char* op) {
  const int rank = w.kernel.size();
  PoolGeometry g = begin_geometry(x_shape, rank, op);
  check(w.stride.size() == rank && w.padding.size() == rank && w.dilation.size() == rank, "[", op, "] expected ",
        rank, " numbers each for stride, padding and dilation, got ", w.stride, ", ", w.padding, ", ", w.dilation);
  for (int i = 0; i < rank; ++i) {
    const int64_t kernel = w.kernel[i], stride = w.stride[i], padding = w.padding[i], dilation = w.dilation[i];
    check(kernel > 0, "[", op, "] expected kernel_size of at least 1, got ", w.kernel);
    check(stride > 0, "[", op, "] expected stride of at least 1, got ", w.stride);
    check(dilation > 0, "[", op, "] expected dilation of at least 1, got ", w.dilation);
    constexpr int64_t kLimit = int64_t{1} << 31;
    check(kernel < kLimit && stride < kLimit && dilation < kLimit, "[", op, "] expected kernel_size, stride and dilation below 2^31");
    check(padding >= 0 && padding <= effective(kernel, dilation) / 2, "[", op,
          "] expected padding from 0 to half the (dilated) kernel_size ", w.kernel, ", got ", w.padding);
    const int d = kPoolDims - rank + i;
    const int64_t out = output_size(g.shape.in[d], kernel, stride, padding, dilation, w.ceil_mode);
    check(out > 0, "[", op, "] expected an input at least as large as the window, got spatial sizes ", g.in,
          " with kernel_size ", w.kernel, ", padding ", w.padding, ", dilation ", w.dilation);
    g.shape.kernel[d] = kernel;
    g.shape.stride[d] = stride;
    g.shape.padding[d] = padding;
    g.shape.dilation[d] = dilation;
    g.out.push_back(g.shape.out[d] = out);
  }
  check_taps(g.shape, op);
  flatten_global(g.shape);
  return g;
}

PoolGeometry adaptive_pool_geometry(const Dims& x_shape, const Dims& output_size, const char* op) {
  const int rank = output_size.size();
  PoolGeometry g = begin_geometry(x_shape, rank, op);
  bool regular = true;
  for (int i = 0; i < rank; ++i) {
    const int64_t in = g.in[i], out = output_size[i];
    check(out >= 0, "[", op, "] expected output_size of at least 0, got ", output_size);
    const int d = kPoolDims - rank + i;
    // The longest window spans at most this much: ceil(in / out), and one more where the quotient is no integer.
    g.shape.kernel[d] = out == 0 ? 1 : std::min(in, (in + out - 1) / out + (in % out != 0));
    g.out.push_back(g.shape.out[d] = out);
    regular = regular && out > 0 && in % out == 0;
  }
  if (regular) {  // then it is the ordinary pooling without overlap
    std::copy(std::begin(g.shape.kernel), std::end(g.shape.kernel), g.shape.stride);
  } else {
    g.shape.adaptive = true;
  }
  check_taps(g.shape, op);
  flatten_global(g.shape);
  return g;
}

std::pair<Array, std::optional<Array>> max_pool(const Array& x, const PoolGeometry& g, bool with_taps) {
  const Ready in = ready(x, g, g.in, "max_pool");
  const Dims shape = with_spatial(x, g.out, g.rank);
  Array y = Array::empty_like(in.x, shape, x.dtype(), "max_pool");
  std::optional<Array> taps;
  if (with_taps) taps = Array::empty_like(in.x, shape, kernels::tap_dtype(in.shape), "max_pool");
  if (y.numel() > 0)
    kernels::on<Pool>(x.device()).max_forward(in.shape, in.x.raw(), y.raw(), taps ? taps->raw() : nullptr);
  return {y, taps};
}

Array max_pool_backward(const Array& dy, const Array& taps, const PoolGeometry& g) {
  const Ready out = ready(dy, g, g.out, "max_pool_backward");
  const Array won = ready_taps(taps, dy.shape(), out.shape, "max_pool_backward");
  Array dx = Array::empty_like(out.x, with_spatial(dy, g.in, g.rank), dy.dtype(), "max_pool_backward");
  if (dy.numel() == 0) {
    fill(dx, Scalar::of(0.0));
  } else {
    kernels::on<Pool>(dy.device()).max_backward(out.shape, out.x.raw(), won.raw(), dx.raw());
  }
  return dx;
}

Array max_pool_gather(const Array& x, const Array& taps, const PoolGeometry& g) {
  const Ready in = ready(x, g, g.in, "max_pool_gather");
  const Dims shape = with_spatial(x, g.out, g.rank);
  const Array won = ready_taps(taps, shape, in.shape, "max_pool_gather");
  Array y = Array::empty_like(in.x, shape, x.dtype(), "max_pool_gather");
  if (y.numel() > 0) kernels::on<Pool>(x.device()).gather(in.shape, in.x.raw(), won.raw(), y.raw());
  return y;
}

Array max_pool_indices(const Array& taps, const PoolGeometry& g) {
  PoolShape shape = g.shape;
  check_rank(taps.shape(), g.rank, "max_pool_indices");
  const bool batched = taps.rank() == g.rank + 2;
  shape.dtype = DType::float32;
  shape.channels_last = batched && channels_last(taps);
  shape.batch = batched ? taps.size(0) : 1;
  shape.channels = taps.size(batched ? 1 : 0);
  const Array won = ready_taps(taps, with_spatial(taps, g.out, g.rank), shape, "max_pool_indices");
  Array index = Array::empty_like(won, DType::int64);
  if (index.numel() > 0)
    kernels::on<Pool>(taps.device()).plane_index(shape, won.raw(), index.data<int64_t>());
  return index;
}

Array avg_pool(const Array& x, const PoolGeometry& g, const AveragePool& options) {
  const Ready in = ready(x, g, g.in, "avg_pool");
  Array y = Array::empty_like(in.x, with_spatial(x, g.out, g.rank), x.dtype(), "avg_pool");
  if (y.numel() > 0)
    kernels::on<Pool>(x.device()).mean_forward(in.shape, {options.count_include_pad, options.divisor_override},
                                               in.x.raw(), y.raw());
  return y;
}

Array avg_pool_backward(const Array& dy, const PoolGeometry& g, const AveragePool& options) {
  const Ready out = ready(dy, g, g.out, "avg_pool_backward");
  Array dx = Array::empty_like(out.x, with_spatial(dy, g.in, g.rank), dy.dtype(), "avg_pool_backward");
  if (dy.numel() == 0) {
    fill(dx, Scalar::of(0.0));
  } else {
    kernels::on<Pool>(dy.device()).mean_backward(out.shape, {options.count_include_pad, options.divisor_override},
                                                 out.x.raw(), dx.raw());
  }
  return dx;
}

}  // namespace lamina::ops

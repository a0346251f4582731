#include "ops/pool.h"

#include "kernels/registry.h"
#include "ops/elementwise.h"

namespace lamina::ops {
namespace {

using kernels::kPoolDims;
using kernels::Pool;
using kernels::PoolShape;

int64_t extent(int64_t kernel, int64_t dilation) { return (kernel - 1) * dilation + 1; }

// With ceil_mode the last window may hang over the right edge, but has to start in the input or in
// the left padding.
int64_t output_size(int64_t in, int64_t extent, int64_t stride, int64_t padding, bool ceil_mode) {
  const int64_t room = in + 2 * padding - extent + (ceil_mode ? stride - 1 : 0);
  if (room < 0) return 0;
  const int64_t out = room / stride + 1;
  return ceil_mode && (out - 1) * stride >= in + padding ? out - 1 : out;
}

// All but the windows: sizes of 1 in front of the spatial ones.
PoolGeometry begin_geometry(const Array& x, int rank, const char* op) {
  check(rank >= 1 && rank <= kPoolDims, "[", op, "] expected 1 to 3 spatial dimensions, got ",
        rank);
  const bool batched = x.rank() == rank + 2;
  check(batched || x.rank() == rank + 1, "[", op, "] expected an input of ", rank + 1, " or ",
        rank + 2, " dimensions (without and with batch), got shape ", x.shape());
  check<TypeError>(x.dtype() == DType::float32 || x.dtype() == DType::float64, "[", op,
                   "] expected float32 or float64, got ", name(x.dtype()));
  PoolGeometry g{x.shape(), x.shape(), {}};
  PoolShape& s = g.shape;
  s.dtype = x.dtype();
  s.channels_last = batched && !x.is_contiguous() && x.is_channels_last();
  s.adaptive = false;
  s.batch = batched ? x.size(0) : 1;
  s.channels = x.size(batched ? 1 : 0);
  check(s.channels > 0, "[", op, "] expected at least 1 channel, got shape ", x.shape());
  for (int d = 0; d < kPoolDims; ++d) {
    const int from = x.rank() - kPoolDims + d;
    s.in[d] = d < kPoolDims - rank ? 1 : x.size(from);
    check(s.in[d] > 0, "[", op, "] expected spatial sizes of at least 1, got shape ", x.shape());
    s.out[d] = s.kernel[d] = s.stride[d] = s.dilation[d] = 1;
    s.padding[d] = 0;
  }
  return g;
}

void check_window(const PoolWindow& w, const char* op) {
  constexpr int64_t kLimit = int64_t{1} << 31;
  const int rank = w.kernel.size();
  check(w.stride.size() == rank && w.padding.size() == rank && w.dilation.size() == rank, "[", op,
        "] expected ", rank, " numbers each for stride, padding and dilation, got ", w.stride, ", ",
        w.padding, ", ", w.dilation);
  const auto within = [&](const Dims& values, int64_t least, const char* what) {
    for (int64_t v : values)
      check(v >= least && v < kLimit, "[", op, "] expected ", what, " of at least ", least,
            " and below 2^31, got ", values);
  };
  within(w.kernel, 1, "kernel_size");
  within(w.stride, 1, "stride");
  within(w.dilation, 1, "dilation");
  within(w.padding, 0, "padding");
  for (int i = 0; i < rank; ++i)
    check(w.padding[i] <= extent(w.kernel[i], w.dilation[i]) / 2, "[", op,
          "] expected padding of at most half the (dilated) kernel_size ", w.kernel, ", got ",
          w.padding);
}

// One window that holds everything is the same on the plane laid out as a line.
void flatten_global(PoolShape& s) {
  int64_t total = 1;
  for (int d = 0; d < kPoolDims; ++d) {
    if (s.out[d] != 1 || s.padding[d] != 0 || s.kernel[d] != s.in[d] || s.dilation[d] != 1) return;
    total *= s.in[d];
  }
  for (int d = 0; d < kPoolDims; ++d) s.in[d] = s.kernel[d] = s.stride[d] = 1;
  s.in[kPoolDims - 1] = s.kernel[kPoolDims - 1] = total;
  s.adaptive = true;
}

PoolGeometry finish_geometry(PoolGeometry g, int rank, const char* op) {
  int64_t taps = 1;
  for (int64_t k : g.shape.kernel)
    check(!__builtin_mul_overflow(taps, k, &taps) && taps < INT32_MAX, "[", op,
          "] expected a window of fewer than 2^31 elements");
  for (int i = 0; i < rank; ++i)
    g.y_shape[g.y_shape.size() - rank + i] = g.shape.out[kPoolDims - rank + i];
  checked_numel(g.y_shape, DType::float64, op);
  flatten_global(g.shape);
  return g;
}

Array in_order(const Array& a, const PoolShape& s) {
  return s.channels_last ? channels_last(a) : contiguous(a);
}

// `a` in the geometry's memory order.
Array ready(const Array& a, const Dims& shape, DType dtype, const PoolShape& s, const char* op) {
  check(a.shape() == shape, "[", op, "] expected shape ", shape, ", got ", a.shape());
  check<TypeError>(a.dtype() == dtype, "[", op, "] expected ", name(dtype), ", got ",
                   name(a.dtype()));
  return in_order(a, s);
}

Array allocate(const Dims& shape, DType dtype, const PoolShape& s, Device device, const char* op) {
  return s.channels_last ? Array::empty_channels_last(shape, dtype, device, op)
                         : Array::empty(shape, dtype, device, op);
}

}  // namespace

PoolGeometry pool_geometry(const Array& x, const PoolWindow& w, const char* op) {
  const int rank = w.kernel.size();
  PoolGeometry g = begin_geometry(x, rank, op);
  check_window(w, op);
  for (int i = 0; i < rank; ++i) {
    const int d = kPoolDims - rank + i;
    const int64_t out = output_size(g.shape.in[d], extent(w.kernel[i], w.dilation[i]), w.stride[i],
                                    w.padding[i], w.ceil_mode);
    check(out > 0, "[", op, "] expected an input at least as large as the window, got shape ",
          x.shape(), " with kernel_size ", w.kernel, ", padding ", w.padding, ", dilation ",
          w.dilation);
    g.shape.kernel[d] = w.kernel[i];
    g.shape.stride[d] = w.stride[i];
    g.shape.padding[d] = w.padding[i];
    g.shape.dilation[d] = w.kernel[i] == 1 ? 1 : w.dilation[i];
    g.shape.out[d] = out;
  }
  return finish_geometry(g, rank, op);
}

PoolGeometry adaptive_pool_geometry(const Array& x, const Dims& output_size, const char* op) {
  const int rank = output_size.size();
  PoolGeometry g = begin_geometry(x, rank, op);
  PoolShape& s = g.shape;
  for (int i = 0; i < rank; ++i) {
    const int d = kPoolDims - rank + i;
    const int64_t in = s.in[d], out = s.out[d] = output_size[i];
    check(out >= 0, "[", op, "] expected output_size of at least 0, got ", output_size);
    const bool even = out > 0 && in % out == 0;
    s.adaptive = s.adaptive || !even;
    // Where the quotient is no integer, a window may reach into one more position at either end.
    s.kernel[d] = even ? in / out : out == 0 ? 1 : std::min(in, in / out + 2);
  }
  if (!s.adaptive)
    std::copy(std::begin(s.kernel), std::end(s.kernel), s.stride);  // windows side by side
  return finish_geometry(g, rank, op);
}

std::pair<Array, std::optional<Array>> max_pool(const Array& x, const PoolGeometry& g,
                                                bool with_taps) {
  const char* op = "max_pool";
  const PoolShape& s = g.shape;
  const Array in = ready(x, g.x_shape, s.dtype, s, op);
  const Array y = allocate(g.y_shape, s.dtype, s, x.device(), op);
  std::optional<Array> taps;
  if (with_taps) taps = allocate(g.y_shape, kernels::tap_dtype(s), s, x.device(), op);
  if (y.numel() > 0)
    kernels::on<Pool>(x.device()).max_forward(s, in.raw(), y.raw(), taps ? taps->raw() : nullptr);
  return {y, taps};
}

Array max_pool_backward(const Array& dy, const Array& taps, const PoolGeometry& g) {
  const char* op = "max_pool_backward";
  const PoolShape& s = g.shape;
  const Array out = ready(dy, g.y_shape, s.dtype, s, op);
  const Array won = ready(taps, g.y_shape, kernels::tap_dtype(s), s, op);
  const Array dx = allocate(g.x_shape, s.dtype, s, dy.device(), op);
  if (dy.numel() == 0)
    fill(dx, Scalar::of(0.0));
  else
    kernels::on<Pool>(dy.device()).max_backward(s, out.raw(), won.raw(), dx.raw());
  return dx;
}

Array max_pool_gather(const Array& x, const Array& taps, const PoolGeometry& g) {
  const char* op = "max_pool_gather";
  const PoolShape& s = g.shape;
  const Array in = ready(x, g.x_shape, s.dtype, s, op);
  const Array won = ready(taps, g.y_shape, kernels::tap_dtype(s), s, op);
  const Array y = allocate(g.y_shape, s.dtype, s, x.device(), op);
  if (y.numel() > 0) kernels::on<Pool>(x.device()).gather(s, in.raw(), won.raw(), y.raw());
  return y;
}

Array max_pool_indices(const Array& taps, const PoolGeometry& g) {
  const char* op = "max_pool_indices";
  const PoolShape& s = g.shape;
  const Array won = ready(taps, g.y_shape, kernels::tap_dtype(s), s, op);
  const Array index = allocate(g.y_shape, DType::int64, s, taps.device(), op);
  if (index.numel() > 0)
    kernels::on<Pool>(taps.device()).plane_index(s, won.raw(), index.data<int64_t>());
  return index;
}

Array avg_pool(const Array& x, const PoolGeometry& g, bool count_include_pad,
               int64_t divisor_override) {
  const char* op = "avg_pool";
  const PoolShape& s = g.shape;
  const Array in = ready(x, g.x_shape, s.dtype, s, op);
  const Array y = allocate(g.y_shape, s.dtype, s, x.device(), op);
  if (y.numel() > 0)
    kernels::on<Pool>(x.device())
        .mean_forward(s, {count_include_pad, divisor_override}, in.raw(), y.raw());
  return y;
}

Array avg_pool_backward(const Array& dy, const PoolGeometry& g, bool count_include_pad,
                        int64_t divisor_override) {
  const char* op = "avg_pool_backward";
  const PoolShape& s = g.shape;
  const Array out = ready(dy, g.y_shape, s.dtype, s, op);
  const Array dx = allocate(g.x_shape, s.dtype, s, dy.device(), op);
  if (dy.numel() == 0)
    fill(dx, Scalar::of(0.0));
  else
    kernels::on<Pool>(dy.device())
        .mean_backward(s, {count_include_pad, divisor_override}, out.raw(), dx.raw());
  return dx;
}

}  // namespace lamina::ops

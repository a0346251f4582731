#include "ops/conv.h"

#include <string>

#include "kernels/registry.h"
#include "ops/elementwise.h"

namespace lamina::ops {
namespace {

using kernels::Binary;
using kernels::Conv;
using kernels::ConvAlgorithm;
using kernels::ConvPass;
using kernels::ConvShape;
using kernels::ConvTensor;
using kernels::kConvDims;
using kernels::Unary;

// From this many channels on a vector is full, and activations lie channels-last.
constexpr int64_t kChannelsLastFrom = 16;
constexpr int64_t kLargest = int64_t{1}
                             << 40;  // of any size or step: sums and products of three of them fit

std::string op_name(const ConvGeometry& g) {
  return "conv" + std::to_string(g.stride.size()) + "d";
}

void check_sizes(const std::string& op, const char* what, const Dims& sizes, int64_t least,
                 int rank) {
  check(sizes.size() == rank, "[", op, "] expected ", rank, " values of ", what, ", got ", sizes);
  for (int64_t v : sizes)
    check(v >= least && v < kLargest, "[", op, "] expected ", what, " of at least ", least,
          v < kLargest ? "" : " and below 2^40", ", got ", sizes);
}

// Ranks, and every number of the geometry by itself.  weight_dims: what w has before the kernel.
void check_geometry(const std::string& op, const Dims& x, const Dims& w, const char* weight_dims,
                    const ConvGeometry& g) {
  const int rank = g.stride.size();
  check(rank >= 1 && rank <= kConvDims, "[conv] expected 1 to 3 spatial dimensions, got ", rank);
  check(x.size() == rank + 2, "[", op, "] expected an input of ", rank + 2,
        " dimensions (N, C, spatial...), got shape ", x);
  check(w.size() == rank + 2, "[", op, "] expected a weight of ", rank + 2, " dimensions (",
        weight_dims, ", kernel...), got shape ", w);
  check_sizes(op, "stride", g.stride, 1, rank);
  check_sizes(op, "dilation", g.dilation, 1, rank);
  check_sizes(op, "padding", g.pad_begin, 0, rank);
  check_sizes(op, "padding", g.pad_end, -kLargest, rank);
  check(g.groups >= 1, "[", op, "] expected groups of at least 1, got ", g.groups);
}

// Checks the shapes of x and w against the geometry and gives those of the whole convolution.
ConvShape conv_shape(const std::string& op, const Dims& x, const Dims& w, const ConvGeometry& g) {
  check_geometry(op, x, w, "out channels, in channels / groups", g);
  const int rank = g.stride.size();
  ConvShape s;
  s.n = x[0];
  s.c = x[1];
  s.k = w[0];
  s.groups = g.groups;
  check(s.k >= 1 && w[1] >= 1, "[", op,
        "] expected a weight with at least one channel in and out, got shape ", w);
  check(s.k % g.groups == 0, "[", op, "] expected a number of output channels that ", g.groups,
        " groups divide, got a weight of shape ", w);
  check(s.c % g.groups == 0 && s.c / g.groups == w[1], "[", op, "] expected an input of ", w[1],
        " x ", g.groups, " channels for a weight of shape ", w, " in ", g.groups,
        g.groups == 1 ? " group" : " groups", ", got an input of shape ", x);
  for (int i = 0; i < kConvDims; ++i) {
    const int d = i - (kConvDims - rank);
    if (d < 0) {
      s.in[i] = s.out[i] = s.kernel[i] = s.stride[i] = s.dilation[i] = 1;
      s.pad[i] = 0;
      continue;
    }
    s.in[i] = x[2 + d];
    s.kernel[i] = w[2 + d];
    s.stride[i] = g.stride[d];
    s.dilation[i] = g.dilation[d];
    s.pad[i] = g.pad_begin[d];
    check(s.kernel[i] >= 1, "[", op,
          "] expected a kernel of size at least 1, got a weight of shape ", w);
    check(s.in[i] < kLargest && s.kernel[i] < kLargest, "[", op, "] sizes of input ", x,
          " and weight ", w, " are too large");
    int64_t reach;  // of a kernel beyond its first tap
    const bool fits = !__builtin_mul_overflow(s.kernel[i] - 1, s.dilation[i], &reach) &&
                      reach < s.in[i] + g.pad_begin[d] + g.pad_end[d];
    check(fits, "[", op,
          "] expected a kernel no larger than the padded input, got a weight of shape ", w,
          " with dilation ", g.dilation, " on an input of shape ", x, " with padding ", g.pad_begin,
          " before and ", g.pad_end, " after it");
    s.out[i] = (s.in[i] + g.pad_begin[d] + g.pad_end[d] - reach - 1) / s.stride[i] + 1;
  }
  return s;
}

// The shape of a transposed convolution's output, the input of the convolution that it transposes.
Dims transposed_shape(const std::string& op, const Dims& x, const Dims& w, const ConvGeometry& g) {
  check_geometry(op, x, w, "in channels, out channels / groups", g);
  check(w[0] >= 1 && w[1] >= 1, "[", op,
        "] expected a weight with at least one channel in and out, got shape ", w);
  check(x[1] == w[0] && x[1] % g.groups == 0, "[", op, "] expected an input of ", w[0],
        " channels, which ", g.groups, g.groups == 1 ? " group divides" : " groups divide",
        ", for a weight of shape ", w, ", got an input of shape ", x);
  Dims y{x[0], w[1] * g.groups};
  for (int d = 0; d < g.stride.size(); ++d) {
    const int64_t extra = g.pad_begin[d] - g.pad_end[d], in = x[2 + d], kernel = w[2 + d];
    check(extra >= 0 && (extra < g.stride[d] || extra < g.dilation[d]), "[", op,
          "] expected output_padding of at least 0 and below stride or dilation, got ", extra,
          " for stride ", g.stride[d], " and dilation ", g.dilation[d]);
    check(in >= 1 && kernel >= 1, "[", op, "] expected sizes of at least 1, got an input of shape ",
          x, " and a weight of shape ", w);
    int64_t steps, reach, size;
    const bool fits = !__builtin_mul_overflow(in - 1, g.stride[d], &steps) &&
                      !__builtin_mul_overflow(kernel - 1, g.dilation[d], &reach) &&
                      !__builtin_add_overflow(steps, reach, &size) && size < kLargest;
    check(fits, "[", op, "] an output for an input of shape ", x, " and stride ", g.stride,
          " is too large");
    size += 1 - g.pad_begin[d] - g.pad_end[d];
    check(size >= 1, "[", op, "] expected padding that leaves an output, got ", g.pad_begin,
          " for an input of shape ", x, " and a weight of shape ", w);
    y.push_back(size);
  }
  return y;
}

Dims output_shape(const ConvShape& s, int rank) {
  Dims shape{s.n, s.k};
  for (int i = kConvDims - rank; i < kConvDims; ++i) shape.push_back(s.out[i]);
  return shape;
}

void check_dtype(const std::string& op, const char* what, const Array& a, DType dtype,
                 Device device) {
  const bool halves = device.type == DeviceType::cuda;  // tensor cores multiply them as they are
  check<TypeError>(is_floating(dtype) && (halves || itemsize(dtype) >= 4), "[", op,
                   "] expected float32", halves ? ", float64, bfloat16 or float16" : " or float64",
                   ", got ", name(dtype));
  check<TypeError>(a.dtype() == dtype, "[", op, "] expected a ", what, " of dtype ", name(dtype),
                   " as the other operand's, got ", name(a.dtype()));
  check(a.device() == device, "[", op, "] expected all operands on ", name(device), ", got a ",
        what, " on ", name(a.device()));
}

void check_operands(const std::string& op, const Array& x, const Array& w, const Array* bias,
                    int64_t channels) {
  check_dtype(op, "weight", w, x.dtype(), x.device());
  if (!bias) return;
  check_dtype(op, "bias", *bias, x.dtype(), x.device());
  check(bias->shape() == Dims{channels}, "[", op, "] expected a bias of shape ", Dims{channels},
        ", got ", bias->shape());
}

void check_gradient(const std::string& op, const Array& dy, const ConvShape& s, int rank) {
  check(dy.shape() == output_shape(s, rank), "[", op, "] expected an output gradient of shape ",
        output_shape(s, rank), ", got ", dy.shape());
}

void check_offered(const std::string& op, const Conv& kernels, ConvPass pass, const ConvShape& s,
                   const ConvGeometry& g, DType dtype) {
  check(kernels.offers(g.algorithm, pass, s, dtype), "[", op,
        "] the algorithm asked for does not compute this convolution; use \"automatic\"");
}

Array allocate_activation(const Dims& shape, DType dtype, Device device, const std::string& op) {
  if (shape[1] < kChannelsLastFrom) return Array::empty(shape, dtype, device, op.c_str());
  return Array::empty_channels_last(shape, dtype, device, op.c_str());
}

ConvTensor view(const Array& a) {
  ConvTensor t{a.raw(), {a.strides()[0], a.strides()[1], 0, 0, 0}};
  for (int d = 2; d < a.rank(); ++d) t.stride[2 + kConvDims - a.rank() + d] = a.strides()[d];
  return t;
}

}  // namespace

ConvAlgorithm conv_choice(const Dims& x, const Dims& w, const ConvGeometry& g, DType dtype,
                          Device device, ConvPass pass) {
  const std::string op = op_name(g);
  const ConvShape s = conv_shape(op, x, w, g);
  const Conv& kernels = kernels::on<Conv>(device);
  checked_numel(output_shape(s, g.stride.size()), dtype, op.c_str());
  check_offered(op, kernels, pass, s, g, dtype);
  return g.algorithm == ConvAlgorithm::automatic ? kernels.choice(pass, s, dtype) : g.algorithm;
}

kernels::ConvWork conv_work(const Dims& x, const Dims& w, const ConvGeometry& g, DType dtype,
                            Device device, ConvPass pass) {
  const ConvAlgorithm algorithm = conv_choice(x, w, g, dtype, device, pass);
  return kernels::on<Conv>(device).work(algorithm, pass, conv_shape(op_name(g), x, w, g), dtype);
}

namespace {

// moments: as ConvEpilogue's, or null.
Array fused_conv(const Array& x, const Array& w, const Array* bias, const ConvGeometry& g,
                 const Array* residual, const Bounds& bounds, Kept* kept,
                 kernels::Moments* moments) {
  const std::string op = op_name(g);
  const ConvShape s = conv_shape(op, x.shape(), w.shape(), g);
  check_operands(op, x, w, bias, s.k);
  const Dims out = output_shape(s, g.stride.size());
  if (residual && (residual->shape() != out || residual->dtype() != x.dtype())) {
    // The sum broadcasts or promotes: no epilogue's work.
    const Array y = fused_conv(x, w, bias, g, nullptr, {}, kept, nullptr);
    const Array sum = binary(Binary::add, {&y}, {residual});
    return bounds.none() ? sum : unary(Unary::clamp, sum, {{bounds.low, bounds.high}});
  }
  checked_numel(out, x.dtype(), op.c_str());  // what algorithms reckon with exists
  const Conv& kernels = kernels::on<Conv>(x.device());
  check_offered(op, kernels, ConvPass::fprop, s, g, x.dtype());
  const Array y = allocate_activation(out, x.dtype(), x.device(), op);
  if (y.numel() == 0) return y;
  const Array weights = contiguous(w);
  const Array biases = bias ? contiguous(*bias) : weights;
  // The kernels read the residual where they write y: in the same memory order.
  const Array added = !residual                            ? y
                      : residual->strides() == y.strides() ? *residual
                      : y.is_contiguous()                  ? contiguous(*residual)
                                                           : channels_last(*residual);
  kernels.fprop(g.algorithm, s, x.dtype(), view(x), weights.raw(),
                {bias ? biases.raw() : nullptr, residual ? added.raw() : nullptr, bounds.low,
                 bounds.high, kept, moments},
                view(y));
  return y;
}

}  // namespace

Array conv(const Array& x, const Array& w, const Array* bias, const ConvGeometry& g,
           const Array* residual, const Bounds& bounds, Kept* kept) {
  return fused_conv(x, w, bias, g, residual, bounds, kept, nullptr);
}

std::pair<Array, std::optional<Moments>> conv_moments(const Array& x, const Array& w,
                                                      const Array* bias, const ConvGeometry& g) {
  const ConvShape s = conv_shape(op_name(g), x.shape(), w.shape(), g);
  if (!kernels::on<Conv>(x.device()).leaves_moments(g.algorithm, s, x.dtype()))
    return {conv(x, w, bias, g), std::nullopt};
  const int64_t positions =
      checked_numel(output_shape(s, g.stride.size()), x.dtype(), "conv") / s.k;
  const int64_t most = (positions + kernels::kLeastMomentRows - 1) / kernels::kLeastMomentRows;
  const Array parts = Array::empty({s.k, most, 2}, DType::float64, x.device(), "conv");
  Moments moments{parts, std::make_shared<kernels::Moments>()};
  moments.found->parts = static_cast<kernels::Moment*>(parts.raw());
  Array y = fused_conv(x, w, bias, g, nullptr, {}, nullptr, moments.found.get());
  return {y, std::move(moments)};
}

Array conv_dgrad(const Array& dy, const Array& w, const Dims& x_shape, const ConvGeometry& g) {
  const std::string op = op_name(g);
  const ConvShape s = conv_shape(op, x_shape, w.shape(), g);
  check_dtype(op, "weight", w, dy.dtype(), dy.device());
  check_gradient(op, dy, s, g.stride.size());
  checked_numel(x_shape, dy.dtype(), op.c_str());
  const Conv& kernels = kernels::on<Conv>(dy.device());
  check_offered(op, kernels, ConvPass::dgrad, s, g, dy.dtype());
  const Array dx = allocate_activation(x_shape, dy.dtype(), dy.device(), op);
  if (dx.numel() == 0) return dx;
  const Array weights = contiguous(w);
  kernels.dgrad(g.algorithm, s, dy.dtype(), view(dy), weights.raw(), nullptr, view(dx));
  return dx;
}

Array conv_wgrad(const Array& x, const Array& dy, const Dims& w_shape, const ConvGeometry& g) {
  const std::string op = op_name(g);
  const ConvShape s = conv_shape(op, x.shape(), w_shape, g);
  check_dtype(op, "gradient", dy, x.dtype(), x.device());
  check_gradient(op, dy, s, g.stride.size());
  const Conv& kernels = kernels::on<Conv>(x.device());
  check_offered(op, kernels, ConvPass::wgrad, s, g, x.dtype());
  const Array dw = Array::empty(w_shape, x.dtype(), x.device(), op.c_str());
  if (s.n == 0) {
    fill(dw, Scalar::of(0.0));
    return dw;
  }
  kernels.wgrad(g.algorithm, s, x.dtype(), view(x), view(dy), dw.raw());
  return dw;
}

Array conv_transpose(const Array& x, const Array& w, const Array* bias, const ConvGeometry& g) {
  const std::string op = "conv_transpose" + std::to_string(g.stride.size()) + "d";
  const Dims shape = transposed_shape(op, x.shape(), w.shape(), g);
  const ConvShape s = conv_shape(op, shape, w.shape(), g);
  check_operands(op, x, w, bias, s.c);
  checked_numel(shape, x.dtype(), op.c_str());
  const Conv& kernels = kernels::on<Conv>(x.device());
  check_offered(op, kernels, ConvPass::dgrad, s, g, x.dtype());
  const Array y = allocate_activation(shape, x.dtype(), x.device(), op);
  if (y.numel() == 0) return y;
  const Array weights = contiguous(w);
  const Array biases = bias ? contiguous(*bias) : weights;
  kernels.dgrad(g.algorithm, s, x.dtype(), view(x), weights.raw(), bias ? biases.raw() : nullptr,
                view(y));
  return y;
}

Array conv_bias_grad(const Array& dy) {
  const int rank = dy.rank() - 2;
  check(rank >= 1 && rank <= kConvDims,
        "[conv] expected a gradient of 3 to 5 dimensions, got shape ", dy.shape());
  check_dtype("conv", "gradient", dy, dy.dtype(), dy.device());
  const Array db = Array::empty({dy.size(1)}, dy.dtype(), dy.device(), "conv");
  if (dy.numel() == 0) {
    fill(db, Scalar::of(0.0));
    return db;
  }
  ConvShape s{};
  s.n = dy.size(0);
  s.k = dy.size(1);
  for (int i = 0; i < kConvDims; ++i)
    s.out[i] = i < kConvDims - rank ? 1 : dy.size(2 + i - (kConvDims - rank));
  kernels::on<Conv>(dy.device()).bias_grad(s, dy.dtype(), view(dy), db.raw());
  return db;
}

}  // namespace lamina::ops

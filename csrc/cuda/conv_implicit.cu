// Convolution as a matrix product whose window matrix (im2col) exists only as tiles in shared
// memory: fprop sums over (tap, channel), dgrad over (tap, filter) in phases, wgrad over positions.
//
// Bound by FLOPs where a tile of 128 x 128 is full: 2 * 128 * 128 * 16 multiply-adds for 16 KB of
// operands, 128 FLOP a byte from L2, against 60 TFLOP/s of FFMA and some 10 TB/s of L2.  Weights
// are packed first, so that made channels lie together: a read and a write of the weights.
#include "cuda/conv_algorithms.h"
#include "cuda/conv_gemm.h"
#include "cuda/conv_pack_weights.h"
#include "cuda/gemm_simt.h"

namespace lamina::cuda {
namespace {

using kernels::ConvEpilogue;
using kernels::ConvPass;
using kernels::ConvShape;
using kernels::ConvTensor;

template <class T, Order a, Order b>
struct Cores {
  using Small = Simt<Tile<T, 64, 16, a>, Tile<T, 64, 16, b>, 2, 2, 4>;
  using Large = Small;
};
template <Order a, Order b>
struct Cores<float, a, b> {
  using Small = Simt<Tile<float, 64, 16, a>, Tile<float, 64, 16, b>, 2, 2, 4>;
  using Large = Simt<Tile<float, 128, 16, a>, Tile<float, 128, 16, b>, 4, 2, 4>;
};

// A large tile reuses more of what it loads; small ones fill a device with fewer outputs.
template <class Cores, class Problem>
void launch_tiles(const Problem& problem, int64_t matrices, int64_t rows, int64_t columns,
                  int64_t depth) {
  constexpr int64_t kSide = Cores::Large::A::kSides;
  const int64_t tiles = ((rows + kSide - 1) / kSide) * ((columns + kSide - 1) / kSide) * matrices;
  if (columns > kSide / 2 && rows > kSide / 2 && tiles >= kFewBlocks / 2)
    return launch_gemm<typename Cores::Large>(problem, matrices, rows, columns, depth);
  launch_gemm<typename Cores::Small>(problem, matrices, rows, columns, depth);
}

int greatest_common_divisor(int a, int b) { return b == 0 ? a : greatest_common_divisor(b, a % b); }

Dimension dimension(const ConvShape& s, int i, bool forward) {
  Dimension d{};
  d.forward = forward;
  d.source = static_cast<int>(forward ? s.in[i] : s.out[i]);
  d.target = static_cast<int>(forward ? s.out[i] : s.in[i]);
  d.kernel = static_cast<int>(s.kernel[i]);
  d.pad = static_cast<int>(s.pad[i]);
  d.stride = s.out[i] > 1 ? static_cast<int>(s.stride[i]) : 1;  // of one output nobody sees it
  d.dilation = s.kernel[i] > 1 ? static_cast<int>(s.dilation[i]) : 1;
  d.tap_step = forward ? 1 : d.stride / greatest_common_divisor(d.stride, d.dilation);
  d.phases = forward ? 1 : d.stride < d.target ? d.stride : d.target;
  d.slots = (d.kernel + d.tap_step - 1) / d.tap_step;
  return d;
}

template <class T>
bool can_be_wide(const ConvTensor& a, int64_t channels, int64_t n, const int64_t* size) {
  bool wide = a.stride[1] == 1 && channels % kChunk<T> == 0 &&
              reinterpret_cast<uintptr_t>(a.data) % 16 == 0 &&
              (n == 1 || a.stride[0] % kChunk<T> == 0);
  for (int d = 0; d < kConvDims; ++d) wide &= size[d] == 1 || a.stride[2 + d] % kChunk<T> == 0;
  return wide;
}

template <class T>
Activation<T> activation(const ConvTensor& a, int64_t channels, int64_t n, const int64_t* size) {
  Activation<T> to{static_cast<T*>(a.data), {}, channels, can_be_wide<T>(a, channels, n, size)};
  for (int d = 0; d < 2 + kConvDims; ++d) to.stride[d] = a.stride[d];
  return to;
}

bool channels_together(const ConvTensor& a, int64_t channels) {
  return a.stride[1] == 1 && channels > 1;
}

// fprop (forward) and dgrad: `target` from `source`.
template <class T>
void windows(const ConvShape& s, bool forward, const ConvTensor& source, const void* w,
             const ConvTensor& target, const Finish<T>& finish) {
  const int64_t channels = s.c / s.groups, filters = s.k / s.groups;
  WindowProblem<T> p{};
  PackedWeights packed{};
  p.n = static_cast<int>(s.n);
  p.groups = packed.groups = static_cast<int>(s.groups);
  p.phases = 1;
  int64_t slots = 1, rows = s.n;
  for (int d = 0; d < kConvDims; ++d) {
    p.dims[d] = packed.dims[d] = dimension(s, d, forward);
    p.phases *= p.dims[d].phases;
    slots *= p.dims[d].slots;
    rows *= (p.dims[d].target + p.dims[d].phases - 1) / p.dims[d].phases;
  }
  packed.phases = p.phases;
  packed.summed = forward ? channels : filters;
  packed.made = forward ? filters : channels;
  packed.pitch = (packed.made + kChunk<T> - 1) / kChunk<T> * kChunk<T>;
  packed.size = slots * packed.summed * packed.pitch;
  const int64_t taps = s.kernel[0] * s.kernel[1] * s.kernel[2];
  packed.summed_stride = forward ? taps : channels * taps;
  packed.made_stride = forward ? channels * taps : taps;
  packed.group_stride = filters * channels * taps;
  p.weight_pitch = packed.pitch;
  p.weight_size = packed.size;
  p.source = activation<const T>(source, packed.summed, s.n, forward ? s.in : s.out);
  p.target = activation<T>(target, packed.made, s.n, forward ? s.out : s.in);
  p.finish = finish;

  const int64_t matrices = s.groups * p.phases, count = matrices * packed.size;
  const DeviceScratch scratch(sizeof(T) * static_cast<size_t>(count));
  launch(&pack_weights_kernel<T>, blocks_for(count, kPackThreads), kPackThreads, 0, stream(),
         packed, scratch.as<T>(), static_cast<const T*>(w), count);
  p.weights = scratch.as<T>();
  const int64_t depth = slots * packed.summed;
  if (channels_together(source, packed.summed))
    launch_tiles<Cores<T, Order::depth, Order::side>>(p, matrices, rows, packed.made, depth);
  else
    launch_tiles<Cores<T, Order::side, Order::side>>(p, matrices, rows, packed.made, depth);
}

void fprop(const ConvShape& s, DType dtype, const ConvTensor& x, const void* w,
           const ConvEpilogue& epilogue, const ConvTensor& y) {
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    windows<T>(
        s, true, x, w, y,
        {static_cast<const T*>(epilogue.bias), 0, 1, static_cast<const T*>(epilogue.residual),
         static_cast<T>(epilogue.low), static_cast<T>(epilogue.high)});
  });
}

void dgrad(const ConvShape& s, DType dtype, const ConvTensor& dy, const void* w, const void* bias,
           const ConvTensor& dx) {
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    windows<T>(s, false, dy, w, dx, {static_cast<const T*>(bias), 0, 1, nullptr, false});
  });
}

void wgrad(const ConvShape& s, DType dtype, const ConvTensor& x, const ConvTensor& dy, void* dw) {
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    const int64_t channels = s.c / s.groups, filters = s.k / s.groups;
    WeightProblem<T> p{};
    p.n = static_cast<int>(s.n);
    p.groups = static_cast<int>(s.groups);
    for (int d = 0; d < kConvDims; ++d) p.dims[d] = dimension(s, d, true);
    p.x = activation<const T>(x, channels, s.n, s.in);
    p.dy = activation<const T>(dy, filters, s.n, s.out);
    p.dw = static_cast<T*>(dw);
    p.taps = static_cast<int>(s.kernel[0] * s.kernel[1] * s.kernel[2]);
    const int64_t columns = p.taps * channels, depth = s.n * s.out[0] * s.out[1] * s.out[2];
    const auto run = [&](auto cores) {
      launch_tiles<decltype(cores)>(p, s.groups, filters, columns, depth);
    };
    const bool x_together = channels_together(x, channels);
    const bool dy_together = channels_together(dy, filters);
    if (dy_together && x_together) return run(Cores<T, Order::side, Order::side>{});
    if (dy_together) return run(Cores<T, Order::side, Order::depth>{});
    if (x_together) return run(Cores<T, Order::depth, Order::side>{});
    run(Cores<T, Order::depth, Order::depth>{});
  });
}

// Sizes and places must be ints well below their range; phases of dgrad must not be many more than
// taps, since each has its slots in the packed weights.
bool offers(ConvPass pass, const ConvShape& s, DType) {
  constexpr int64_t kMost = kFarthest / 2, kMostPhases = 16;
  int64_t taps = 1, slots = 1;
  if (s.n >= kMost) return false;
  for (int i = 0; i < kConvDims; ++i) {
    if (s.in[i] >= kMost || s.out[i] >= kMost || s.kernel[i] >= kMost || s.pad[i] >= kMost)
      return false;
    if (s.out[i] > 1 && s.stride[i] >= kMost / (s.out[i] - 1)) return false;
    if (s.kernel[i] > 1 && s.dilation[i] >= kMost / (s.kernel[i] - 1)) return false;
    const Dimension d = dimension(s, i, pass != ConvPass::dgrad);
    taps *= s.kernel[i];
    slots *= int64_t{d.phases} * d.slots;
    if (taps >= kMost || slots >= kMost) return false;
  }
  const int64_t most = s.c > s.k ? s.c : s.k;
  return taps * (most / s.groups) < kMost && slots <= kMostPhases * taps &&
         slots * s.groups < kMost;
}

bool pays(ConvPass, const ConvShape&, DType) { return true; }

}  // namespace

constinit const ConvRoutines implicit_conv{&offers, &pays, &fprop, &dgrad, &wgrad};

}  // namespace lamina::cuda

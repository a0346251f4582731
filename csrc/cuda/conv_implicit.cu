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

bool channels_together(const ConvTensor& a, int64_t channels) {
  return a.stride[1] == 1 && channels > 1;
}

// fprop (forward) and dgrad: `target` from `source`.
template <class T>
void windows(const ConvShape& s, bool forward, const ConvTensor& source, const void* w,
             const ConvTensor& target, const Finish<T>& finish) {
  WindowProblem<T> p{};
  const PackedWeights packed = packed_weights<T>(s, forward);
  p.n = static_cast<int>(s.n);
  p.groups = packed.groups;
  p.phases = packed.phases;
  int64_t rows = s.n;
  for (int d = 0; d < kConvDims; ++d) {
    p.dims[d] = packed.dims[d];
    rows *= (p.dims[d].target + p.dims[d].phases - 1) / p.dims[d].phases;
  }
  p.weight_pitch = packed.pitch;
  p.weight_size = packed.size;
  p.source = activation<const T>(source, packed.summed, s.n, forward ? s.in : s.out);
  p.target = activation<T>(target, packed.made, s.n, forward ? s.out : s.in);
  p.finish = finish;

  const DeviceScratch scratch(packed.bytes<T>());
  p.weights = pack_weights<T>(packed, w, scratch);
  const int64_t matrices = s.groups * p.phases, depth = packed.size / packed.pitch;
  if (channels_together(source, packed.summed))
    launch_tiles<SimtCores<T, Order::depth, Order::side>>(p, matrices, rows, packed.made, depth);
  else
    launch_tiles<SimtCores<T, Order::side, Order::side>>(p, matrices, rows, packed.made, depth);
}

void fprop(const ConvShape& s, DType dtype, const ConvTensor& x, const void* w,
           const ConvEpilogue& epilogue, const ConvTensor& y) {
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    windows<T>(
        s, true, x, w, y,
        {static_cast<const T*>(epilogue.bias), 0, 1, static_cast<const T*>(epilogue.residual),
         epilogue.low > -HUGE_VAL || epilogue.high < HUGE_VAL, static_cast<T>(epilogue.low),
         static_cast<T>(epilogue.high)});
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
    if (dy_together && x_together) return run(SimtCores<T, Order::side, Order::side>{});
    if (dy_together) return run(SimtCores<T, Order::side, Order::depth>{});
    if (x_together) return run(SimtCores<T, Order::depth, Order::side>{});
    run(SimtCores<T, Order::depth, Order::depth>{});
  });
}

bool offers(ConvPass pass, const ConvShape& s, DType) {
  const int64_t most = s.c > s.k ? s.c : s.k;
  return places_fit(s, pass, most / s.groups);
}

bool pays(ConvPass, const ConvShape&, DType) { return true; }

}  // namespace

constinit const ConvRoutines implicit_conv{&offers, &pays, &fprop, &dgrad, &wgrad};

}  // namespace lamina::cuda

// The three passes by FFT: conv_fft_depthwise.h for depthwise convolutions, conv_fft_dense.h, group
// by group, for all others.
//
// Bound by the transforms' additions and, where a tile's spectra outgrow L2, by bytes.  On a Zen 5
// core transforms take 1.5 cycles a point and doubling of the size; counted as a direct sum's, a
// dense 11x11 kernel (32 to 32 channels) runs 1180 GFLOP/s forward and a depthwise 31x31 one 760,
// where the multiply-add peak is 243.
//
// A transform carries a NaN or an infinity to every output of its tile.  Where a result is not finite
// the whole pass is therefore done again by a direct algorithm, so that NaN and infinities reach the
// outputs that they do in a direct convolution, and no others.
#include "cpu/conv_fft.h"

#include "cpu/conv_algorithms.h"
#include "cpu/conv_epilogue.h"
#include "cpu/conv_fft_dense.h"
#include "cpu/conv_fft_depthwise.h"
#include "cpu/conv_work.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

constexpr int64_t kFewestTaps = 25;

int64_t lanes_of(DType dtype) {
  return visit_real(dtype, [](auto of) { return int64_t{kLanes<decltype(of)>}; });
}

// A sum over taps with unit steps, in the height and width alone, that fit into a tile.
bool offers(ConvPass, const ConvShape& s, DType) {
  for (int d = 0; d < kConvDims; ++d)
    if (s.stride[d] != 1 || s.dilation[d] != 1 || s.kernel[d] > kLargestTile) return false;
  return s.kernel[0] == 1 && s.pad[0] == 0;
}

// The algorithm that would run otherwise, also where a transform meets a NaN.
const ConvRoutines& direct(ConvPass pass, const ConvShape& s, DType dtype) {
  if (depthwise_conv.offers(pass, s, dtype)) return depthwise_conv;
  return implicit_conv.offers(pass, s, dtype) ? implicit_conv : reference_conv;
}

// A call; points transformed of data and of weights; products of spectra; spectra of activations
// moved past L2; products of a depthwise convolution; elements of vectors that are not whole; spectra
// of weights moved, and their elements.  Kernels of fewer taps have never been seen to win.
bool count(ConvPass pass, const ConvShape& s, DType dtype, ConvUnits& units) {
  if (s.kernel[1] * s.kernel[2] < kFewestTaps) return false;
  const PassCount a(pass, s, dtype);
  FftWork work = fft_work(s, lanes_of(dtype));
  if (pass == ConvPass::dgrad) {
    const int64_t c = work.c;
    work.c = work.k;
    work.k = c;
    for (int d = 0; d < 2; ++d) work.positions[d] = s.in[1 + d];
  }
  FftPlan plan{};
  if (work.positions[0] * work.positions[1] == 0 || !plan_fft(work, plan)) return false;
  const FftUnits u = fft_units(work, plan);
  units[0] = 1;
  units[1] = u.data;
  units[2] = u.weights;
  units[3] = u.products;
  units[4] = u.moved;
  units[5] = u.depthwise;
  const auto partial = [&](double channels) {
    return channels < kInLanes ? channels
                               : channels - a.lanes * __builtin_floor(channels / a.lanes);
  };
  units[6] =
      a.read_pixels * partial(a.groups * a.read) + a.made_pixels * partial(a.groups * a.made);
  units[7] = u.moved_weights;
  units[8] = a.groups * a.taps * a.read * a.made;
  return true;
}

// The sum's plan; of a pass that makes activations from `c` channels a group to `k`.
FftPlan plan_of(const TapSum& sum, const ConvShape& s, int64_t lanes) {
  FftPlan plan;
  plan_fft({sum.n * sum.grid[0],
            s.groups,
            sum.c,
            sum.k,
            {sum.grid[1], sum.grid[2]},
            {sum.axis[1].count, sum.axis[2].count},
            lanes},
           plan);
  return plan;
}

// y from x and w[k * stride_k + c * stride_c + t]; false where some result is not finite.
template <class T>
bool run_sum(const TapSum& sum, const ConvShape& s, const T* x, const T* w, int64_t stride_k,
             int64_t stride_c, const T* bias, T* y) {
  const FftPlan plan = plan_of(sum, s, kLanes<T>);
  const TileTransform<T> transform(plan);
  const auto tap = [&](int64_t r, int64_t c) {
    return (sum.axis[1].tap + r * sum.axis[1].tap_step) * s.kernel[2] + sum.axis[2].tap +
           c * sum.axis[2].tap_step;
  };
  if (sum.c == 1 && sum.k == 1) {
    const FftDepthwise<T> conv{sum, plan, transform.fft, s.groups};
    Scratch weights(conv.vectors() * conv.spectrum_bytes());
    conv.transform_weights([&](int64_t g, int64_t r,
                               int64_t c) { return w[g * s.kernel[1] * s.kernel[2] + tap(r, c)]; },
                           weights.as<Complex<T>>());
    return conv.run(x, weights.as<Complex<T>>(), bias, y);
  }
  const FftDense<T> conv{sum, plan, transform.fft};
  const int64_t group_weights = sum.c * sum.k * s.kernel[1] * s.kernel[2];
  bool finite = true;
  for (int64_t g = 0; g < s.groups && finite; ++g)
    finite = conv.run(
        x + g * sum.c * sum.x_stride[1],
        [&](int64_t k, int64_t c, int64_t row, int64_t column) {
          return w[g * group_weights + k * stride_k + c * stride_c + tap(row, column)];
        },
        bias ? bias + g * sum.k : nullptr, y + g * sum.k * sum.y_stride[1]);
  return finite;
}

void fprop(const ConvShape& s, DType dtype, const ConvTensor& x, const void* w,
           const kernels::ConvEpilogue& epilogue, const ConvTensor& y) {
  const bool finite = visit_real(dtype, [&](auto of) {
    using T = decltype(of);
    const TapSum sum = fprop_sum(s, x, y);
    const int64_t taps = s.kernel[1] * s.kernel[2];
    return run_sum(sum, s, static_cast<const T*>(x.data), static_cast<const T*>(w), sum.c * taps,
                   taps, static_cast<const T*>(epilogue.bias), static_cast<T*>(y.data));
  });
  if (!finite) return direct(ConvPass::fprop, s, dtype).fprop(s, dtype, x, w, epilogue, y);
  visit_real(dtype,
             [&](auto of) { apply_epilogue(s, Epilogue<decltype(of)>(epilogue, y.data), y); });
}

void dgrad(const ConvShape& s, DType dtype, const ConvTensor& dy, const void* w, const void* bias,
           const ConvTensor& dx) {
  const bool finite = visit_real(dtype, [&](auto of) {
    using T = decltype(of);
    const TapSum sum = dgrad_sum(s, dy, dx, 0);
    const int64_t taps = s.kernel[1] * s.kernel[2];
    return run_sum(sum, s, static_cast<const T*>(dy.data), static_cast<const T*>(w), taps,
                   sum.k * taps, static_cast<const T*>(bias), static_cast<T*>(dx.data));
  });
  if (!finite) direct(ConvPass::dgrad, s, dtype).dgrad(s, dtype, dy, w, bias, dx);
}

void wgrad(const ConvShape& s, DType dtype, const ConvTensor& x, const ConvTensor& dy, void* dw) {
  const bool finite = visit_real(dtype, [&](auto of) {
    using T = decltype(of);
    const TapSum sum = fprop_sum(s, x, dy);
    const FftPlan plan = plan_of(sum, s, kLanes<T>);
    const TileTransform<T> transform(plan);
    const T *from = static_cast<const T*>(x.data), *grads = static_cast<const T*>(dy.data);
    T* to = static_cast<T*>(dw);
    if (sum.c == 1 && sum.k == 1)
      return FftDepthwise<T>{sum, plan, transform.fft, s.groups}.wgrad(from, grads, to);
    const FftDense<T> conv{sum, plan, transform.fft};
    bool all = true;
    for (int64_t g = 0; g < s.groups && all; ++g)
      all = conv.wgrad(from + g * sum.c * sum.x_stride[1], grads + g * sum.k * sum.y_stride[1],
                       to + g * sum.c * sum.k * s.kernel[1] * s.kernel[2]);
    return all;
  });
  if (!finite) direct(ConvPass::wgrad, s, dtype).wgrad(s, dtype, x, dy, dw);
}

}  // namespace

constinit const ConvRoutines fft_conv{&offers, &count, kFftCosts, &fprop, &dgrad, &wgrad};

}  // namespace lamina::cpu::LAMINA_ISA

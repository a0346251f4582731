// The definition as plain loops, one thread an output, summed in double: what the fast algorithms
// are tested against, and what computes sizes beyond their 31-bit positions.  Bound by the loads,
// of which every multiply-add makes two: c / groups x taps of them an output, 8 bytes each in
// float32, from L1 and L2 where neighbours share them.  No floor is claimed: it is not meant to be
// fast.  Compiled and emulated, not yet run on a device.
#include "cuda/conv_algorithms.h"
#include "cuda/convert.h"
#include "cuda/launch.h"
#include "cuda/unroll.h"

namespace lamina::cuda {
namespace {

using kernels::ConvEpilogue;
using kernels::ConvPass;
using kernels::ConvShape;
using kernels::ConvTensor;
using kernels::kConvDims;

constexpr int kThreads = 256;
constexpr int kBlocks = 4;  // a multiprocessor: left to choose, the compiler takes five, and spills

// One element of an activation: its image, channel and position.
struct Element {
  int64_t n, channel, at[kConvDims];

  // The i-th of (n, d, h, w, channel), the last running fastest.
  __device__ Element(int64_t i, int64_t channels, const int64_t (&size)[kConvDims]) {
    channel = i % channels;
    i /= channels;
    for (int d = kConvDims - 1; d >= 0; --d) {
      at[d] = i % size[d];
      i /= size[d];
    }
    n = i;
  }
};

template <class T>
__device__ __forceinline__ T& element(const ConvTensor& a, int64_t n, int64_t c,
                                      const int64_t (&at)[kConvDims]) {
  return static_cast<T*>(a.data)[n * a.stride[0] + c * a.stride[1] + at[0] * a.stride[2] +
                                 at[1] * a.stride[3] + at[2] * a.stride[4]];
}

__device__ __forceinline__ int64_t taps(const ConvShape& s) {
  return s.kernel[0] * s.kernel[1] * s.kernel[2];
}

// f(tap number, tap in each dimension).
template <class F>
__device__ __forceinline__ void for_each_tap(const ConvShape& s, F f) {
  int64_t t[kConvDims], tap = 0;
  for (t[0] = 0; t[0] < s.kernel[0]; ++t[0])
    for (t[1] = 0; t[1] < s.kernel[1]; ++t[1])
      for (t[2] = 0; t[2] < s.kernel[2]; ++t[2]) f(tap++, t);
}

// The input that output o meets at tap t; false outside of x.
__device__ __forceinline__ bool input_of(const ConvShape& s, const int64_t (&o)[kConvDims],
                                         const int64_t (&t)[kConvDims], int64_t (&i)[kConvDims]) {
  for (int d = 0; d < kConvDims; ++d) {
    i[d] = o[d] * s.stride[d] + t[d] * s.dilation[d] - s.pad[d];
    if (i[d] < 0 || i[d] >= s.in[d]) return false;
  }
  return true;
}

struct Quotients {
  int64_t v[kConvDims];  // of dilation by stride
};

// The outputs that read input i of one dimension, tap after tap: reach = i + pad - t * dilation is
// o * stride + rest, and tap t meets output o where nothing is left.  It takes no division a tap.
struct Meeting {
  int64_t o, rest;

  __device__ Meeting(const ConvShape& s, int d, int64_t i)
      : o((i + s.pad[d]) / s.stride[d]), rest(i + s.pad[d] - o * s.stride[d]) {}
  __device__ bool meets(const ConvShape& s, int d) const {
    return rest == 0 && o >= 0 && o < s.out[d];
  }
  // To the next tap, with dilation = quotient * stride + what is left.
  __device__ void next(const ConvShape& s, int d, int64_t quotient) {
    o -= quotient;
    rest -= s.dilation[d] - quotient * s.stride[d];
    if (rest >= 0) return;
    rest += s.stride[d];
    --o;
  }
};

template <class T>
__global__ void __launch_bounds__(kThreads, kBlocks)
    fprop_kernel(const ConvShape s, const ConvTensor x, const T* w, const ConvTensor y,
                 const T* bias, const T* residual, double low, double high, int64_t count) {
  const int64_t index = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (index >= count) return;
  const Element out(index, s.k, s.out);
  const int64_t group = out.channel / (s.k / s.groups), channels = s.c / s.groups;
  double sum = bias ? double(bias[out.channel]) : 0;
  for_each_tap(s, [&](int64_t tap, const int64_t (&t)[kConvDims]) {
    int64_t in[kConvDims];
    if (!input_of(s, out.at, t, in)) return;
    for (int64_t c = 0; c < channels; ++c)
      sum += double(element<T>(x, out.n, group * channels + c, in)) *
             double(w[(out.channel * channels + c) * taps(s) + tap]);
  });
  T& to = element<T>(y, out.n, out.channel, out.at);
  if (residual) sum += double(residual[&to - static_cast<T*>(y.data)]);
  to = convert<T>(sum < low ? low : sum > high ? high : sum);  // NaN stays
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    dgrad_kernel(const ConvShape s, const ConvTensor dy, const T* w, const ConvTensor dx,
                 const T* bias, const Quotients by, int64_t count) {
  const int64_t index = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (index >= count) return;
  const Element in(index, s.c, s.in);
  const int64_t channels = s.c / s.groups, filters = s.k / s.groups;
  const int64_t group = in.channel / channels;
  const int64_t first = group * filters, first_channel = group * channels;
  double sum = 0;
  const Meeting h0(s, 1, in.at[1]), w0(s, 2, in.at[2]);
  const T* weight = w + (first * channels + in.channel - first_channel) * taps(s);
  Meeting d(s, 0, in.at[0]);
  for (int64_t td = 0; td < s.kernel[0]; ++td, d.next(s, 0, by.v[0])) {
    Meeting h = h0;
    for (int64_t th = 0; th < s.kernel[1]; ++th, h.next(s, 1, by.v[1])) {
      Meeting w = w0;
      for (int64_t tw = 0; tw < s.kernel[2]; ++tw, w.next(s, 2, by.v[2]), ++weight) {
        if (!d.meets(s, 0) || !h.meets(s, 1) || !w.meets(s, 2)) continue;
        const T* from = &element<T>(dy, in.n, first, {d.o, h.o, w.o});
        LAMINA_ROLLED
        for (int64_t k = 0; k < filters; ++k)
          sum += double(from[k * dy.stride[1]]) * double(weight[k * channels * taps(s)]);
      }
    }
  }
  if (bias) sum += double(bias[in.channel]);
  element<T>(dx, in.n, in.channel, in.at) = convert<T>(sum);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    wgrad_kernel(const ConvShape s, const ConvTensor x, const ConvTensor dy, T* dw, int64_t count) {
  const int64_t index = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (index >= count) return;
  const int64_t channels = s.c / s.groups;
  const int64_t k = index / taps(s) / channels;
  const int64_t c = k / (s.k / s.groups) * channels + index / taps(s) % channels;
  int64_t t[kConvDims], rest = index % taps(s);
  for (int d = kConvDims - 1; d >= 0; --d) {
    t[d] = rest % s.kernel[d];
    rest /= s.kernel[d];
  }
  double sum = 0;
  const int64_t positions = s.n * s.out[0] * s.out[1] * s.out[2];
  for (int64_t i = 0; i < positions; ++i) {
    const Element out(i, 1, s.out);
    int64_t in[kConvDims];
    if (input_of(s, out.at, t, in))
      sum += double(element<T>(x, out.n, c, in)) * double(element<T>(dy, out.n, k, out.at));
  }
  dw[index] = convert<T>(sum);
}

template <class F>
void visit_float(DType dtype, F f) {
  if (dtype == DType::bfloat16) return f(bfloat16{});
  if (dtype == DType::float16) return f(float16{});
  visit_real(dtype, f);
}

void fprop(const ConvShape& s, DType dtype, const ConvTensor& x, const void* w,
           const ConvEpilogue& epilogue, const ConvTensor& y) {
  const int64_t count = s.n * s.k * s.out[0] * s.out[1] * s.out[2];
  visit_float(dtype, [&](auto tag) {
    using T = decltype(tag);
    launch(&fprop_kernel<T>, blocks_for(count, kThreads), kThreads, 0, stream(), s, x,
           static_cast<const T*>(w), y, static_cast<const T*>(epilogue.bias),
           static_cast<const T*>(epilogue.residual), epilogue.low, epilogue.high, count);
  });
}

void dgrad(const ConvShape& s, DType dtype, const ConvTensor& dy, const void* w, const void* bias,
           const ConvTensor& dx) {
  const int64_t count = s.n * s.c * s.in[0] * s.in[1] * s.in[2];
  Quotients by;
  for (int d = 0; d < kConvDims; ++d) by.v[d] = s.dilation[d] / s.stride[d];
  visit_float(dtype, [&](auto tag) {
    using T = decltype(tag);
    launch(&dgrad_kernel<T>, blocks_for(count, kThreads), kThreads, 0, stream(), s, dy,
           static_cast<const T*>(w), dx, static_cast<const T*>(bias), by, count);
  });
}

void wgrad(const ConvShape& s, DType dtype, const ConvTensor& x, const ConvTensor& dy, void* dw) {
  const int64_t count = s.k * (s.c / s.groups) * s.kernel[0] * s.kernel[1] * s.kernel[2];
  visit_float(dtype, [&](auto tag) {
    using T = decltype(tag);
    launch(&wgrad_kernel<T>, blocks_for(count, kThreads), kThreads, 0, stream(), s, x, dy,
           static_cast<T*>(dw), count);
  });
}

bool offers(ConvPass, const kernels::ConvShape&, DType) { return true; }

}  // namespace

constinit const ConvRoutines reference_conv{&offers, &offers, &fprop, &dgrad, &wgrad};

}  // namespace lamina::cuda

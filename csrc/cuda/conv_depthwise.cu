// Convolutions whose groups are so narrow that no tile of a matrix product would be filled: every
// channel for itself (depthwise), or a few.
//
// fprop and dgrad: a thread makes a strip of neighbouring outputs of one channel, or of a vector of
// channels where they lie together: 16 bytes, of 16-bit floats 8, since each becomes a float32, in
// which all is summed, as it is loaded.  Kernels 3, 5 and 7 wide pass over a window that the strip
// keeps in registers: a 3 x 3 output then loads 4.5 inputs instead of 9, all but one of them from
// L1.  wgrad: conv_depthwise_wgrad.h.  Bound by bytes as long as L1 keeps up: a 3 x 3 step of 32
// images of 128 channels, 56 x 56, reads and writes 103 MB in float32, 24 us at the 4.3 TB/s that
// an H200 copies, half of it in 16 bits; its 9 multiply-adds an element take 4 us.  It leaves no
// moments: a thread has a few outputs of its channel, and whole channels meet only across blocks.
// Compiled and emulated, not yet run on a device.
#include "cuda/conv_activation.h"
#include "cuda/conv_algorithms.h"
#include "cuda/conv_depthwise_wgrad.h"
#include "cuda/conv_pack_weights.h"

namespace lamina::cuda {
namespace {

using kernels::ConvEpilogue;
using kernels::ConvPass;
using kernels::ConvShape;
using kernels::ConvTensor;

constexpr int kThreads = 256, kStrip = 4;

// Blocks that a multiprocessor has room for: 128 registers, and more for windows of the widest kernels.
constexpr int least_blocks(int width) { return width == 7 ? 1 : 2; }
constexpr int64_t kWidest = 16;  // channels of a group, on either side

// T: what memory holds; sums are of Summed<T>.
template <class T>
struct StripProblem {
  int n, groups, phase_count;
  Dimension dims[kConvDims];
  Activation<const T> source;
  Activation<T> target;
  const T* weights;  // (taps x summed channels) x made channels, a group and phase
  int64_t weight_pitch, weight_size;
  const T *bias, *residual;
  Summed<T> low, high;
  unsigned lanes;  // threads of one strip: for each group and channel that it makes
};

template <class T, int n>
struct alignas(sizeof(T) * n) Channels {
  T v[n];
};

template <class To, class From, int n>
__device__ __forceinline__ Channels<To, n> channels_at(const From* from) {
  const auto x = *reinterpret_cast<const Channels<From, n>*>(from);
  Channels<To, n> y;
  LAMINA_UNROLL
  for (int e = 0; e < n; ++e) y.v[e] = convert<To>(x.v[e]);
  return y;
}

// Channels of a vector.
template <class T>
inline constexpr int kVectorChannels = kHalf<T> ? 4 : kChunk<T>;

// kVector channels, each of a group of one; or (1) any one.  kWidth and kStep: compile-time taps
// and step along the width, at reach 1 or -1; kWidth 0 for any.
template <class T, int kVector, int kWidth, int kStep>
__global__ void __launch_bounds__(kThreads, least_blocks(kWidth))
    strip_kernel(const StripProblem<T> p, const unsigned count, const int first_image,
                 const int first_phase) {
  unsigned index = blockIdx.x * kThreads + threadIdx.x;
  if (index >= count) return;
  const int phase_number = first_phase + static_cast<int>(blockIdx.y);
  const Phases phase(p.dims, phase_number);
  const auto& [pd, ph, pw] = phase;
  const auto next_digit = [&](unsigned size) {
    const unsigned digit = index % size;
    index /= size;
    return static_cast<int>(digit);
  };
  const int lane = next_digit(p.lanes);
  const int w0 = next_digit((static_cast<unsigned>(pw.rows) + kStrip - 1) / kStrip) * kStrip;
  const int h = next_digit(static_cast<unsigned>(ph.rows));
  const int d = next_digit(static_cast<unsigned>(pd.rows));
  const int n = first_image + static_cast<int>(index);
  if (n >= p.n) return;
  const int made = static_cast<int>(p.target.channels);
  const int64_t summed = p.source.channels;
  const int64_t group = kVector > 1 ? lane * kVector : lane / made;
  const int64_t channel = kVector > 1 ? lane * kVector : lane;  // of the target

  using Sum = Summed<T>;
  using Pack = Channels<Sum, kVector>;
  Sum sum[kStrip][kVector] = {};
  const int64_t (&stride)[2 + kConvDims] = p.source.stride;
  const T* image = p.source.data + n * stride[0] + group * summed * stride[1];
  // Vectors of channels have their weights side by side, as one group's.
  const T* weights =
      kVector > 1
          ? p.weights + phase_number * p.weight_size + channel
          : p.weights + (int64_t{phase_number} * p.groups + group) * p.weight_size + channel % made;
  const auto inside = [](int at, int size) {
    return static_cast<unsigned>(at) < static_cast<unsigned>(size);
  };
  for (int td = 0; td < pd.taps; ++td) {
    const int at_d = d * pd.step + pd.origin + td * pd.reach;
    if (!inside(at_d, p.dims[0].source)) continue;
    for (int th = 0; th < ph.taps; ++th) {
      const int at_h = h * ph.step + ph.origin + th * ph.reach;
      if (!inside(at_h, p.dims[1].source)) continue;
      const T* row = image + at_d * stride[2] + at_h * stride[3];
      const T* tap_row = weights + int64_t{td * ph.taps + th} * pw.taps * summed * p.weight_pitch;
      const auto load = [&](int64_t c, int at_w) {
        Pack x{};
        if (inside(at_w, p.dims[2].source))
          x = channels_at<Sum, T, kVector>(row + c * stride[1] + at_w * stride[4]);
        return x;
      };
      const auto weight = [&](int64_t c, int tw) {
        return channels_at<Sum, T, kVector>(tap_row + (tw * summed + c) * p.weight_pitch);
      };
      for (int64_t c = 0; c < summed; ++c) {
        if constexpr (kWidth > 0) {
          constexpr int kWindow = (kStrip - 1) * kStep + kWidth;
          const bool flipped = pw.reach < 0;
          const int from = w0 * kStep + pw.origin - (flipped ? kWidth - 1 : 0);
          Pack window[kWindow];
          LAMINA_UNROLL
          for (int i = 0; i < kWindow; ++i) window[i] = load(c, from + i);
          LAMINA_UNROLL
          for (int t = 0; t < kWidth; ++t) {
            const Pack w = weight(c, flipped ? kWidth - 1 - t : t);
            LAMINA_UNROLL
            for (int o = 0; o < kStrip; ++o) {
              LAMINA_UNROLL
              for (int e = 0; e < kVector; ++e) sum[o][e] += window[o * kStep + t].v[e] * w.v[e];
            }
          }
        } else {
          for (int t = 0; t < pw.taps; ++t) {
            const Pack w = weight(c, t);
            LAMINA_UNROLL
            for (int o = 0; o < kStrip; ++o) {
              const Pack x = load(c, (w0 + o) * pw.step + pw.origin + t * pw.reach);
              LAMINA_UNROLL
              for (int e = 0; e < kVector; ++e) sum[o][e] += x.v[e] * w.v[e];
            }
          }
        }
      }
    }
  }

  const Positions out = positions(p.target.stride, p.n, pd, ph, pw, p.dims);
  LAMINA_UNROLL
  for (int o = 0; o < kStrip; ++o) {
    if (w0 + o >= pw.rows) return;
    const int64_t to = out.spot({{n, d, h, w0 + o}}).offset + channel * p.target.stride[1];
    Channels<T, kVector> y;
    LAMINA_UNROLL
    for (int e = 0; e < kVector; ++e) {
      Sum value = sum[o][e];
      if (p.bias) value += convert<Sum>(p.bias[channel + e]);
      if (p.residual) value += convert<Sum>(p.residual[to + e]);
      y.v[e] = convert<T>(value < p.low ? p.low : value > p.high ? p.high : value);  // NaN stays
    }
    *reinterpret_cast<Channels<T, kVector>*>(p.target.data + to) = y;
  }
}

// A vector of channels is one of as many groups: pointers step from group to group as from channel
// to channel.
template <class T>
bool by_vectors(const ConvShape& s, const ConvTensor& a, const int64_t* a_size, const ConvTensor& b,
                const int64_t* b_size, const void* residual) {
  return s.groups == s.c && s.groups == s.k && can_be_wide<T>(a, s.c, s.n, a_size) &&
         can_be_wide<T>(b, s.c, s.n, b_size) && reinterpret_cast<uintptr_t>(residual) % 16 == 0;
}

template <class T, int kVector>
void launch_strips(const StripProblem<T>& p, int64_t per_image) {
  const Dimension& w = p.dims[2];
  const int reach = w.dilation, step = w.forward ? w.stride : 1;
  const bool windows = reach == 1 && (w.forward ? step <= 2 : w.stride == 1);
  auto kernel = &strip_kernel<T, kVector, 0, 1>;
  // Each takes seconds to compile: there are those for float32, and channels of 16 bits that come last.
  if constexpr (__is_same(T, float) || (kHalf<T> && kVector > 1)) {
    if (windows && w.kernel == 3)
      kernel = step == 1 ? &strip_kernel<T, kVector, 3, 1> : &strip_kernel<T, kVector, 3, 2>;
    if (windows && w.kernel == 5)
      kernel = step == 1 ? &strip_kernel<T, kVector, 5, 1> : &strip_kernel<T, kVector, 5, 2>;
    if (windows && w.kernel == 7)
      kernel = step == 1 ? &strip_kernel<T, kVector, 7, 1> : &strip_kernel<T, kVector, 7, 2>;
  }
  // A thread's number is below 2^31, a grid's second dimension below 2^16.
  constexpr int64_t kMostThreads = int64_t{1} << 31;
  constexpr int kMostPhases = 65535;
  const int64_t images = kMostThreads / per_image;
  for (int64_t n = 0; n < p.n; n += images)
    for (int first = 0; first < p.phase_count; first += kMostPhases) {
      const int left = p.phase_count - first;
      const int64_t count = (p.n - n < images ? p.n - n : images) * per_image;
      const dim3 grid(blocks_for(count, kThreads), left < kMostPhases ? left : kMostPhases);
      launch(kernel, grid, kThreads, 0, stream(), p, static_cast<unsigned>(count),
             static_cast<int>(n), first);
    }
}

template <class T>
void strips(const ConvShape& s, bool forward, const ConvTensor& source, const void* w,
            const ConvTensor& target, const void* bias, const void* residual,
            double low = -HUGE_VAL, double high = HUGE_VAL) {
  const bool vectors =
      by_vectors<T>(s, source, forward ? s.in : s.out, target, forward ? s.out : s.in, residual);
  PackedWeights packed = packed_weights<T>(s, forward);
  if (vectors) {  // all groups side by side, as what one group makes
    packed.groups = 1;
    packed.made = packed.pitch = s.c;
    packed.size = packed.size / kChunk<T> * s.c;
    packed.made_stride = packed.group_stride;
  }
  const DeviceScratch scratch(packed.bytes<T>());
  StripProblem<T> p{};
  p.n = static_cast<int>(s.n);
  p.groups = static_cast<int>(s.groups);
  p.phase_count = packed.phases;
  int64_t count = 1;  // of strips in an image
  for (int d = 0; d < kConvDims; ++d) {
    p.dims[d] = packed.dims[d];
    const int64_t rows = (p.dims[d].target + p.dims[d].phases - 1) / p.dims[d].phases;
    count *= d == kConvDims - 1 ? (rows + kStrip - 1) / kStrip : rows;
  }
  p.source = activation<const T>(source, forward ? s.c / s.groups : s.k / s.groups, s.n,
                                 forward ? s.in : s.out);
  p.target =
      activation<T>(target, forward ? s.k / s.groups : s.c / s.groups, s.n, forward ? s.out : s.in);
  p.weights = pack_weights<T>(packed, w, scratch);
  p.weight_pitch = packed.pitch;
  p.weight_size = packed.size;
  p.bias = static_cast<const T*>(bias);
  p.residual = static_cast<const T*>(residual);
  p.low = static_cast<Summed<T>>(low);
  p.high = static_cast<Summed<T>>(high);
  if (vectors) {
    p.lanes = static_cast<unsigned>(s.c / kVectorChannels<T>);
    launch_strips<T, kVectorChannels<T>>(p, count * p.lanes);
  } else {
    p.lanes = static_cast<unsigned>(forward ? s.k : s.c);
    launch_strips<T, 1>(p, count * p.lanes);
  }
}

// f(number of the dtype)
template <class F>
void visit_floating(DType dtype, const F& f) {
  if (dtype == DType::bfloat16) return f(bfloat16{});
  if (dtype == DType::float16) return f(float16{});
  visit_real(dtype, f);
}

void fprop(const ConvShape& s, DType dtype, const ConvTensor& x, const void* w,
           const ConvEpilogue& e, const ConvTensor& y) {
  visit_floating(dtype, [&](auto tag) {
    strips<decltype(tag)>(s, true, x, w, y, e.bias, e.residual, e.low, e.high);
  });
}

void dgrad(const ConvShape& s, DType dtype, const ConvTensor& dy, const void* w, const void* bias,
           const ConvTensor& dx) {
  visit_floating(dtype,
                 [&](auto tag) { strips<decltype(tag)>(s, false, dy, w, dx, bias, nullptr); });
}

void wgrad(const ConvShape& s, DType dtype, const ConvTensor& x, const ConvTensor& dy, void* dw) {
  visit_floating(dtype, [&](auto tag) {
    using T = decltype(tag);
    TapProblem<T> p{};
    p.n = static_cast<int>(s.n);
    p.positions = s.n;
    for (int d = 0; d < kConvDims; ++d) {
      p.dims[d] = dimension(s, d, true);
      p.positions *= s.out[d];
    }
    p.x = activation<const T>(x, s.c / s.groups, s.n, s.in);
    p.dy = activation<const T>(dy, s.k / s.groups, s.n, s.out);
    p.pairs = s.k * (s.c / s.groups);
    p.row_parts = (p.dims[2].kernel + kRowTaps - 1) / kRowTaps;
    // Neighbouring threads read neighbours: channels, or positions.
    if (x.stride[1] == 1 && s.c > 1)
      launch_taps<T, 32>(p, dw);
    else
      launch_taps<T, 1>(p, dw);
  });
}

bool offers(ConvPass pass, const ConvShape& s, DType) {
  constexpr int64_t kMost = int64_t{1} << 31;
  return s.groups > 1 && s.c / s.groups <= kWidest && s.k / s.groups <= kWidest &&
         places_fit(s, pass, kWidest) && s.c * s.in[0] * s.in[1] * s.in[2] < kMost &&
         s.k * s.out[0] * s.out[1] * s.out[2] < kMost;
}

// A column tile of 64 has to be filled to a quarter before a matrix product is faster.
bool pays(ConvPass, const ConvShape& s, DType) {
  return s.c / s.groups * (s.k / s.groups) <= kWidest;
}

}  // namespace

constinit const ConvRoutines depthwise_conv{&offers, &pays, &fprop, &dgrad, &wgrad};

}  // namespace lamina::cuda

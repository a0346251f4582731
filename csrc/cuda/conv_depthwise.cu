// Convolutions whose groups are so narrow that no tile of a matrix product would be filled: every
// channel for itself (depthwise), or a few.
//
// fprop and dgrad: a thread makes a strip of neighbouring outputs of one channel, or of 16 bytes of
// channels where they lie together.  Kernels 3, 5 and 7 wide pass over a window that the strip
// keeps in registers: a 3 x 3 output then loads 4.5 inputs instead of 9, all but one of them from L1.
// wgrad: a thread sums a row of taps over positions; threads of a block that share a channel, and
// blocks that share it, add up in order.  Bound by bytes as long as L1 keeps up.
#include "cuda/conv_activation.h"
#include "cuda/conv_algorithms.h"
#include "cuda/conv_pack_weights.h"

namespace lamina::cuda {
namespace {

using kernels::ConvEpilogue;
using kernels::ConvPass;
using kernels::ConvShape;
using kernels::ConvTensor;

constexpr int kThreads = 256, kStrip = 4;
constexpr int64_t kWidest = 16;  // channels of a group, on either side

template <class T>
struct StripProblem {
  int n, groups, phase_count;
  Dimension dims[kConvDims];
  Activation<const T> source;
  Activation<T> target;
  const T* weights;  // (taps x summed channels) x made channels, a group and phase
  int64_t weight_pitch, weight_size;
  const T *bias, *residual;
  bool relu;
  int64_t lanes;  // threads of one strip: for each group and channel that it makes
};

template <class T, int n>
struct alignas(sizeof(T) * n) Channels {
  T v[n];
};

// kVector channels, each of a group of one; or (1) any one.  kWidth and kStep: compile-time taps
// and step along the width, at reach 1 or -1; kWidth 0 for any.
template <class T, int kVector, int kWidth, int kStep>
__global__ void __launch_bounds__(kThreads)
    strip_kernel(const StripProblem<T> p, const int64_t count, const unsigned first_phase) {
  const int64_t index = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (index >= count) return;
  const int phase_number = static_cast<int>(first_phase + blockIdx.y);
  const Phases phase(p.dims, phase_number);
  const auto& [pd, ph, pw] = phase;
  const int64_t lane = index % p.lanes;
  int64_t rest = index / p.lanes;
  const int strips = (pw.rows + kStrip - 1) / kStrip;
  const int w0 = static_cast<int>(rest % strips) * kStrip;
  rest /= strips;
  const int h = static_cast<int>(rest % ph.rows);
  rest /= ph.rows;
  const int d = static_cast<int>(rest % pd.rows);
  const int64_t n = rest / pd.rows;
  if (n >= p.n) return;
  const int64_t made = p.target.channels, summed = p.source.channels;
  const int64_t group = kVector > 1 ? lane * kVector : lane / made;
  const int64_t channel = kVector > 1 ? lane * kVector : lane;  // of the target

  using Pack = Channels<T, kVector>;
  T sum[kStrip][kVector] = {};
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
          x = *reinterpret_cast<const Pack*>(row + c * stride[1] + at_w * stride[4]);
        return x;
      };
      const auto weight = [&](int64_t c, int tw) {
        return *reinterpret_cast<const Pack*>(tap_row + (tw * summed + c) * p.weight_pitch);
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
    const int64_t at =
        out.spot({{static_cast<int>(n), d, h, w0 + o}}).offset + channel * p.target.stride[1];
    Pack y;
    LAMINA_UNROLL
    for (int e = 0; e < kVector; ++e) {
      T value = sum[o][e];
      if (p.bias) value += p.bias[channel + e];
      if (p.residual) value += p.residual[at + e];
      y.v[e] = p.relu && value < T(0) ? T(0) : value;  // NaN stays
    }
    *reinterpret_cast<Pack*>(p.target.data + at) = y;
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
void launch_strips(const StripProblem<T>& p, int64_t count) {
  const Dimension& w = p.dims[2];
  const int reach = w.dilation, step = w.forward ? w.stride : 1;
  const bool windows = reach == 1 && (w.forward ? step <= 2 : w.stride == 1);
  auto kernel = &strip_kernel<T, kVector, 0, 1>;
  if (windows && w.kernel == 3)
    kernel = step == 1 ? &strip_kernel<T, kVector, 3, 1> : &strip_kernel<T, kVector, 3, 2>;
  if (windows && w.kernel == 5)
    kernel = step == 1 ? &strip_kernel<T, kVector, 5, 1> : &strip_kernel<T, kVector, 5, 2>;
  if (windows && w.kernel == 7)
    kernel = step == 1 ? &strip_kernel<T, kVector, 7, 1> : &strip_kernel<T, kVector, 7, 2>;
  constexpr int kMostPhases = 65535;  // of a grid's second dimension
  for (int first = 0; first < p.phase_count; first += kMostPhases) {
    const int left = p.phase_count - first;
    const dim3 grid(blocks_for(count, kThreads), left < kMostPhases ? left : kMostPhases);
    launch(kernel, grid, kThreads, 0, stream(), p, count, static_cast<unsigned>(first));
  }
}

template <class T>
void strips(const ConvShape& s, bool forward, const ConvTensor& source, const void* w,
            const ConvTensor& target, const void* bias, const void* residual, bool relu) {
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
  int64_t count = s.n;
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
  p.relu = relu;
  if (vectors) {
    p.lanes = s.c / kChunk<T>;
    launch_strips<T, kChunk<T>>(p, count * p.lanes);
  } else {
    p.lanes = forward ? s.k : s.c;
    launch_strips<T, 1>(p, count * p.lanes);
  }
}

void fprop(const ConvShape& s, DType dtype, const ConvTensor& x, const void* w,
           const ConvEpilogue& e, const ConvTensor& y) {
  visit_real(dtype, [&](auto tag) {
    strips<decltype(tag)>(s, true, x, w, y, e.bias, e.residual, e.relu);
  });
}

void dgrad(const ConvShape& s, DType dtype, const ConvTensor& dy, const void* w, const void* bias,
           const ConvTensor& dx) {
  visit_real(dtype,
             [&](auto tag) { strips<decltype(tag)>(s, false, dy, w, dx, bias, nullptr, false); });
}

constexpr int kRowTaps = 8;  // that a thread sums at once

template <class T>
struct TapProblem {
  int n;
  Dimension dims[kConvDims];
  Activation<const T> x, dy;
  int64_t pairs;                 // (filter, channel of its group)
  int row_parts;                 // of kRowTaps taps, in a row of the kernel
  int64_t positions, per_split;  // (n, d, h, w) of dy
};

// A block: kLanes pairs of filter and channel, one part of a row of taps, one split of the
// positions.  parts is (splits, pairs, taps).
template <class T, int kLanes>
__global__ void __launch_bounds__(kThreads)
    tap_kernel(const TapProblem<T> p, T* parts, const unsigned first_row) {
  constexpr int kSharers = kThreads / kLanes;
  LAMINA_SHARED(T, sums, [kRowTaps][kThreads]);
  const Dimension &d = p.dims[0], &h = p.dims[1], &w = p.dims[2];
  const int64_t pair = int64_t{blockIdx.x} * kLanes + threadIdx.x % kLanes;
  const int sharer = static_cast<int>(threadIdx.x) / kLanes;
  const int tap_row = static_cast<int>((first_row + blockIdx.z) / p.row_parts);
  const int t0 = static_cast<int>((first_row + blockIdx.z) % p.row_parts) * kRowTaps;
  const int td = tap_row / h.kernel, th = tap_row % h.kernel;
  T sum[kRowTaps] = {};
  if (pair < p.pairs) {
    const int64_t filter = pair / p.x.channels;
    const int64_t channel = filter / p.dy.channels * p.x.channels + pair % p.x.channels;
    const int64_t (&xs)[2 + kConvDims] = p.x.stride;
    const int64_t (&ys)[2 + kConvDims] = p.dy.stride;
    const int64_t begin = blockIdx.y * p.per_split;
    const int64_t end = begin + p.per_split < p.positions ? begin + p.per_split : p.positions;
    const Positions places{{p.n, d.target, h.target, w.target}, {}, 0, {}, {}};
    Digits o = places.digits(begin + sharer);
    const Digits step = places.digits(kSharers);
    for (int64_t i = begin + sharer; i < end; i += kSharers, o = places.sum(o, step)) {
      const int at_d = o.v[1] * d.stride - d.pad + td * d.dilation;
      const int at_h = o.v[2] * h.stride - h.pad + th * h.dilation;
      if (static_cast<unsigned>(at_d) >= static_cast<unsigned>(d.source) ||
          static_cast<unsigned>(at_h) >= static_cast<unsigned>(h.source))
        continue;
      const T dy = p.dy.data[o.v[0] * ys[0] + filter * ys[1] + o.v[1] * ys[2] + o.v[2] * ys[3] +
                             o.v[3] * ys[4]];
      const T* row = p.x.data + o.v[0] * xs[0] + channel * xs[1] + at_d * xs[2] + at_h * xs[3];
      const int at_w = o.v[3] * w.stride - w.pad;
      LAMINA_UNROLL
      for (int t = 0; t < kRowTaps; ++t) {
        const int at = at_w + (t0 + t) * w.dilation;
        if (t0 + t < w.kernel && static_cast<unsigned>(at) < static_cast<unsigned>(w.source))
          sum[t] += dy * row[at * xs[4]];
      }
    }
  }
  LAMINA_UNROLL
  for (int t = 0; t < kRowTaps; ++t) sums[t][threadIdx.x] = sum[t];
  // Halves of the sharers are added until one is left.
  for (int left = kSharers / 2; left > 0; left /= 2) {
    __syncthreads();
    if (sharer < left)
      for (int t = 0; t < kRowTaps; ++t)
        sums[t][threadIdx.x] += sums[t][threadIdx.x + left * kLanes];
  }
  if (sharer > 0 || pair >= p.pairs) return;
  const int64_t taps = int64_t{d.kernel} * h.kernel * w.kernel;
  T* to = parts + (blockIdx.y * p.pairs + pair) * taps + int64_t{tap_row} * w.kernel + t0;
  for (int t = 0; t < kRowTaps && t0 + t < w.kernel; ++t) to[t] = sums[t][threadIdx.x];
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    sum_taps_kernel(T* dw, const T* parts, int64_t count, int splits) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= count) return;
  T sum = parts[i];
  for (int s = 1; s < splits; ++s) sum += parts[s * count + i];
  dw[i] = sum;
}

template <class T, int kLanes>
void launch_taps(TapProblem<T>& p, void* dw) {
  constexpr int64_t kFewBlocks = 512, kLeast = 64, kMostRows = 65535;
  constexpr int64_t kSharers = kThreads / kLanes;
  const int64_t tap_rows = int64_t{p.dims[0].kernel} * p.dims[1].kernel;
  const int64_t rows = tap_rows * p.row_parts, taps = tap_rows * p.dims[2].kernel;
  const int64_t blocks = (p.pairs + kLanes - 1) / kLanes;
  int64_t splits = kFewBlocks / (blocks * rows);
  if (splits > p.positions / (kLeast * kSharers)) splits = p.positions / (kLeast * kSharers);
  if (splits < 1) splits = 1;
  p.per_split = (p.positions + splits - 1) / splits;
  splits = (p.positions + p.per_split - 1) / p.per_split;
  const int64_t count = p.pairs * taps;
  const DeviceScratch scratch(splits > 1 ? sizeof(T) * static_cast<size_t>(splits * count) : 1);
  T* parts = splits > 1 ? scratch.as<T>() : static_cast<T*>(dw);
  for (int64_t first = 0; first < rows; first += kMostRows) {
    const int64_t left = rows - first;
    const dim3 grid(static_cast<unsigned>(blocks), static_cast<unsigned>(splits),
                    static_cast<unsigned>(left < kMostRows ? left : kMostRows));
    launch(&tap_kernel<T, kLanes>, grid, kThreads, 0, stream(), p, parts,
           static_cast<unsigned>(first));
  }
  if (splits > 1)
    launch(&sum_taps_kernel<T>, blocks_for(count, kThreads), kThreads, 0, stream(),
           static_cast<T*>(dw), static_cast<const T*>(parts), count, static_cast<int>(splits));
}

void wgrad(const ConvShape& s, DType dtype, const ConvTensor& x, const ConvTensor& dy, void* dw) {
  visit_real(dtype, [&](auto tag) {
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
  return s.groups > 1 && s.c / s.groups <= kWidest && s.k / s.groups <= kWidest &&
         places_fit(s, pass, kWidest);
}

// A column tile of 64 has to be filled to a quarter before a matrix product is faster.
bool pays(ConvPass, const ConvShape& s, DType) {
  return s.c / s.groups * (s.k / s.groups) <= kWidest;
}

}  // namespace

constinit const ConvRoutines depthwise_conv{&offers, &pays, &fprop, &dgrad, &wgrad};

}  // namespace lamina::cuda

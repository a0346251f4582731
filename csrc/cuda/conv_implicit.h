// Convolution as a matrix product whose window matrix (im2col) exists only as tiles in shared
// memory: fprop sums over (tap, channel), dgrad over (tap, filter) in phases, wgrad over positions.
// Weights are packed first, so that made channels lie together: a read and a write of the weights.
#pragma once

#include "cuda/conv_gemm.h"
#include "cuda/conv_pack_weights.h"

namespace lamina::cuda {

// On Hopper's tensor cores: false, and nothing done, where the device or the operands are not for it.
// moment_rows: as launch_gemm returns.
// conv_hopper.h
template <class T>
bool launch_windows_on_hopper(WindowProblem<T>& problem, const PackedWeights& packed,
                              int64_t matrices, int64_t rows, int64_t& moment_rows);
template <class T>
bool launch_weights_on_hopper(const WeightProblem<T>& problem, int64_t groups, int64_t filters,
                              int64_t columns, int64_t depth);

// With cores of template `Cores<T, order of A, order of B>`.
template <template <class, Order, Order> class Cores, class T>
struct ImplicitConv {
  static void fprop(const kernels::ConvShape& s, const kernels::ConvTensor& x, const void* w,
                    const kernels::ConvEpilogue& epilogue, const kernels::ConvTensor& y) {
    using Bound = typename Finish<T>::Bound;
    windows(s, true, x, w, y,
            {static_cast<const T*>(epilogue.bias), 0, 1, static_cast<const T*>(epilogue.residual),
             epilogue.low > -HUGE_VAL || epilogue.high < HUGE_VAL, static_cast<Bound>(epilogue.low),
             static_cast<Bound>(epilogue.high)},
            epilogue.moments);
  }

  static void dgrad(const kernels::ConvShape& s, const kernels::ConvTensor& dy, const void* w,
                    const void* bias, const kernels::ConvTensor& dx) {
    windows(s, false, dy, w, dx, {static_cast<const T*>(bias), 0, 1, nullptr}, nullptr);
  }

  static void wgrad(const kernels::ConvShape& s, const kernels::ConvTensor& x,
                    const kernels::ConvTensor& dy, void* dw) {
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
    if constexpr (sizeof(T) == 2)
      if (launch_weights_on_hopper(p, s.groups, filters, columns, depth)) return;
    const bool x_together = channels_together(x, channels);
    const bool dy_together = channels_together(dy, filters);
    // Mixed, one side has few channels (a network's first convolution or its last): small tiles do.
    const auto small = [&](auto core) {
      launch_gemm<typename decltype(core)::Small>(p, s.groups, filters, columns, depth);
    };
    if (dy_together && !x_together)
      small(Cores<T, Order::side, Order::depth>());
    else if (x_together && !dy_together)
      small(Cores<T, Order::depth, Order::side>());
    else if (x_together)
      launch_tiles<Cores<T, Order::side, Order::side>>(p, s.groups, filters, columns, depth);
    else
      launch_tiles<Cores<T, Order::depth, Order::depth>>(p, s.groups, filters, columns, depth);
  }

 private:
  static bool channels_together(const kernels::ConvTensor& a, int64_t channels) {
    return a.stride[1] == 1 && channels > 1;
  }

  // fprop (forward) and dgrad: `target` from `source`.
  static void windows(const kernels::ConvShape& s, bool forward, const kernels::ConvTensor& source,
                      const void* w, const kernels::ConvTensor& target, const Finish<T>& finish,
                      kernels::Moments* moments) {
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
    p.moments = {moments ? moments->parts : nullptr, 0};

    const DeviceScratch scratch(packed.bytes<T>());
    p.weights = pack_weights<T>(packed, w, scratch);
    const int64_t matrices = s.groups * p.phases, depth = packed.size / packed.pitch;
    const int64_t moment_rows = multiply_windows(p, packed, matrices, rows, depth,
                                                 channels_together(source, packed.summed));
    if (!moments || moment_rows == 0) return;
    moments->rows = moment_rows;
    moments->count = (rows + moment_rows - 1) / moment_rows;
  }

  // As launch_gemm.
  static int64_t multiply_windows(WindowProblem<T>& p, const PackedWeights& packed,
                                  int64_t matrices, int64_t rows, int64_t depth, bool together) {
    if constexpr (sizeof(T) == 2) {
      int64_t moment_rows = 0;
      if (launch_windows_on_hopper(p, packed, matrices, rows, moment_rows)) return moment_rows;
    }
    if (together)
      return launch_tiles<Cores<T, Order::depth, Order::side>>(p, matrices, rows, packed.made,
                                                               depth);
    return launch_tiles<Cores<T, Order::side, Order::side>>(p, matrices, rows, packed.made, depth);
  }
};

}  // namespace lamina::cuda

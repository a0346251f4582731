// Pooling over up to three spatial dimensions: y[n, c, o] = max or mean of x[n, c, i] over the i in
// window o.
#pragma once

#include "core/dtype.h"
#include "core/macros.h"

namespace lamina::kernels {

inline constexpr int kPoolDims =
    3;  // depth, height, width; a pooling over fewer has sizes of 1 in front

// Window o of a dimension holds the positions o*stride - padding + k*dilation, k in [0, kernel),
// that lie in [0, in). An adaptive window holds [o*in / out, ceil((o+1)*in / out)); `kernel` is
// then the longest of them, and stride, padding and dilation are 1, 0 and 1.
struct PoolShape {
  DType dtype;         // float32 or float64
  bool channels_last;  // memory order N, D, H, W, C; else N, C, D, H, W.  Both without gaps
  bool adaptive;
  int64_t batch, channels;
  int64_t in[kPoolDims], out[kPoolDims];
  int64_t kernel[kPoolDims], stride[kPoolDims], padding[kPoolDims], dilation[kPoolDims];
};

// Max pooling remembers which tap (kd*KH + kh)*KW + kw of the window won: in one byte where the
// window has at most kNoTapByte taps, else in an int32.  kNoTapByte and -1 mean a window that lies
// wholly in the padding.
inline constexpr int64_t kNoTapByte = 255;

LAMINA_INLINE DType tap_dtype(const PoolShape& s) {
  return s.kernel[0] * s.kernel[1] * s.kernel[2] <= kNoTapByte ? DType::uint8 : DType::int32;
}

// What the mean divides by: the elements of the window, with those in the padding or not, or a
// number of the caller's.
struct PoolDivisor {
  bool count_padding;
  int64_t fixed;  // 0: none
};

// x, dx: (N, C, in...).  y, dy, tap: (N, C, out...).
struct Pool {
  // NaN wins, the last one where there are several; among equals the first.  `tap` may be null.
  void (*max_forward)(const PoolShape& shape, const void* x, void* y, void* tap);
  void (*max_backward)(const PoolShape& shape, const void* dy, const void* tap, void* dx);
  // y[o] = x[the winner of window o]; 0 for a window without one.
  void (*gather)(const PoolShape& shape, const void* x, const void* tap, void* y);
  // The winner's place (d*H + h)*W + w in its (D, H, W) plane; -1 for a window without one.
  void (*plane_index)(const PoolShape& shape, const void* tap, int64_t* index);

  void (*mean_forward)(const PoolShape& shape, const PoolDivisor& divisor, const void* x, void* y);
  void (*mean_backward)(const PoolShape& shape, const PoolDivisor& divisor, const void* dy,
                        void* dx);
};

}  // namespace lamina::kernels

// What the kernels of pooling share: sizes that divide, and the walks over a window's positions and
// over the windows that hold a position.
#pragma once

#include "cuda/image.h"
#include "kernels/pool.h"

namespace lamina::cuda {

#include "kernels/pool_window.inc"

using kernels::kPoolDims;
using kernels::PoolDivisor;
using kernels::PoolShape;

// A multiprocessor: left to choose, the compiler takes more, and spills.
inline constexpr int kPoolBlocks = 2;

void max_pool_forward(const PoolShape& s, const void* x, void* y, void* tap);
void max_pool_backward(const PoolShape& s, const void* dy, const void* tap, void* dx);
void max_pool_gather(const PoolShape& s, const void* x, const void* tap, void* y);
void max_pool_plane_index(const PoolShape& s, const void* tap, int64_t* index);
void mean_pool_forward(const PoolShape& s, const PoolDivisor& divisor, const void* x, void* y);
void mean_pool_backward(const PoolShape& s, const PoolDivisor& divisor, const void* dy, void* dx);

// PoolShape by which a device divides.
struct PoolSizes {
  bool adaptive;
  int64_t channels;
  WideDivisor in[kPoolDims], out[kPoolDims], kernel[kPoolDims], stride[kPoolDims],
      dilation[kPoolDims];
  int64_t padding[kPoolDims];

  explicit PoolSizes(const PoolShape& s) : adaptive(s.adaptive), channels(s.channels) {
    for (int d = 0; d < kPoolDims; ++d) {
      in[d] = WideDivisor(s.in[d]);
      out[d] = WideDivisor(s.out[d]);
      kernel[d] = WideDivisor(s.kernel[d]);
      stride[d] = WideDivisor(s.stride[d]);
      dilation[d] = WideDivisor(s.dilation[d]);
      padding[d] = s.padding[d];
    }
  }
};

// The items of an array of these sizes.
inline ImageItems pool_items(const PoolShape& s, const int64_t (&size)[kPoolDims], int width) {
  return ImageItems(s.batch, s.channels, size, s.channels_last, width);
}

inline bool pool_packs(const PoolShape& s, const int64_t (&size)[kPoolDims],
                       std::initializer_list<const void*> arrays) {
  return image_packs(s.channels_last, s.channels, size[2], s.dtype, arrays);
}

// f(offset, tap) for the positions of window (od, oh, ow), in order; offset in `from`.  Neighbouring
// `lanes` threads share the columns.
template <int lanes, bool last, class F>
__device__ __forceinline__ void each_tap(const PoolSizes& s, const ImageArray<last>& from,
                                         int64_t od, int64_t oh, int64_t ow, F f) {
  const Window d = window(s, 0, od), h = window(s, 1, oh), w = window(s, 2, ow);
  for (int64_t kd = d.begin; kd < d.end; ++kd)
    for (int64_t kh = h.begin; kh < h.end; ++kh) {
      const int64_t row = from.at(d.first + kd * d.step, h.first + kh * h.step, 0);
      const int64_t tap = (kd * s.kernel[1].value + kh) * s.kernel[2].value;
      for (int64_t kw = w.begin + (lanes > 1 ? threadIdx.x % lanes : 0); kw < w.end; kw += lanes)
        f(row + (w.first + kw * w.step) * from.channels, tap + kw);
    }
}

// f(offset, tap, od, oh, ow) for the windows that hold position (id, ih, iw); offset in `from`.
template <bool last, class F>
__device__ __forceinline__ void each_window(const PoolSizes& s, const ImageArray<last>& from,
                                            int64_t id, int64_t ih, int64_t iw, F f) {
  const Cover d = cover(s, 0, id), h = cover(s, 1, ih), w = cover(s, 2, iw);
  for (int64_t od = d.begin; od < d.end; ++od)
    for (int64_t oh = h.begin; oh < h.end; ++oh) {
      const int64_t kd = tap_of(s, 0, od, id), kh = tap_of(s, 1, oh, ih);
      if (kd < 0 || kh < 0) continue;
      const int64_t tap = (kd * s.kernel[1].value + kh) * s.kernel[2].value;
      for (int64_t ow = w.begin; ow < w.end; ++ow) {
        const int64_t kw = tap_of(s, 2, ow, iw);
        if (kw >= 0) f(from.at(od, oh, ow), tap + kw, od, oh, ow);
      }
    }
}

// Rows of windows that are long in planes: a warp shares one.
inline bool pool_shares_windows(const PoolShape& s) {
  return !s.channels_last && s.kernel[2] >= static_cast<int64_t>(kWarpSize);
}

}  // namespace lamina::cuda

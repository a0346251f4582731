// What the kernels of pooling share: sizes that divide, and which element a thread works on.
//
// A thread takes an output (or, backward, an input), or four neighbours by 128-bit accesses: channels
// of a channels-last array, columns of a plane.
#pragma once

#include "cuda/columns.h"
#include "kernels/pool.h"

namespace lamina::cuda {

#include "kernels/pool_window.inc"

using kernels::kPoolDims;
using kernels::PoolDivisor;
using kernels::PoolShape;

inline constexpr int kPoolThreads = 256;

void max_pool_forward(const PoolShape& s, const void* x, void* y, void* tap);
void max_pool_backward(const PoolShape& s, const void* dy, const void* tap, void* dx);
void max_pool_gather(const PoolShape& s, const void* x, const void* tap, void* y);
void max_pool_plane_index(const PoolShape& s, const void* tap, int64_t* index);
void mean_pool_forward(const PoolShape& s, const PoolDivisor& divisor, const void* x, void* y);
void mean_pool_backward(const PoolShape& s, const PoolDivisor& divisor, const void* dy, void* dx);

// PoolShape by which a device divides.
struct PoolSizes {
  bool adaptive;
  WideDivisor channels;
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

// Where the elements of a plane, or of an image whose channels come last, lie.
template <bool last>
struct PoolArray {
  int64_t size[kPoolDims];
  int64_t channels;  // that lie together: 1 in planes

  __device__ int64_t volume() const { return size[0] * size[1] * size[2] * channels; }
  __device__ int64_t at(int64_t d, int64_t h, int64_t w) const {
    return ((d * size[1] + h) * size[2] + w) * channels;
  }
};

template <bool last>
__device__ __forceinline__ PoolArray<last> pool_array(const PoolSizes& s,
                                                      const WideDivisor (&size)[kPoolDims]) {
  return {{size[0], size[1], size[2]}, last ? s.channels.value : 1};
}

// Item i of an array (planes or images, size..., channels), items of `width` neighbours.
template <bool last, int width>
struct PoolPlace {
  int64_t unit;  // the plane, or the image
  int64_t place[kPoolDims];
  int64_t channel;

  // run: the items of a row, or of a pixel.
  __device__ PoolPlace(int64_t item, const WideDivisor& run, const WideDivisor (&size)[kPoolDims]) {
    int64_t rest = item / run;
    const int64_t within = (item - rest * run.value) * width;
    channel = last ? within : 0;
    place[2] = within;
    for (int d = last ? 2 : 1; d >= 0; --d) {
      const int64_t next = rest / size[d];
      place[d] = rest - next * size[d].value;
      rest = next;
    }
    unit = rest;
  }
};

// The items of an array of these sizes.
struct PoolItems {
  int64_t count;
  WideDivisor run;

  PoolItems(const PoolShape& s, const int64_t (&size)[kPoolDims], int width)
      : count(s.batch * s.channels * size[0] * size[1] * size[2] / width),
        run((s.channels_last ? s.channels : size[2]) / width) {}
};

// Whether items can be packs: of channels, or of columns of `size`.
inline bool pool_packs(const PoolShape& s, const int64_t (&size)[kPoolDims],
                       std::initializer_list<const void*> arrays) {
  bool packs = (s.channels_last ? s.channels : size[2]) % kPack == 0;
  for (const void* data : arrays) packs = packs && aligned_for_packs(data, s.dtype);
  return packs;
}

// f(last, width) with both as constants.
template <class F>
void visit_pool(bool channels_last, bool packs, F f) {
  using One = std::integral_constant<int, 1>;
  using Four = std::integral_constant<int, kPack>;
  if (channels_last)
    packs ? f(std::true_type(), Four()) : f(std::true_type(), One());
  else
    packs ? f(std::false_type(), Four()) : f(std::false_type(), One());
}

// f(offset, tap) for the positions of window (od, oh, ow), in order; offset in `from`.  Neighbouring
// `lanes` threads share the columns.
template <int lanes, bool last, class F>
__device__ __forceinline__ void each_tap(const PoolSizes& s, const PoolArray<last>& from,
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
__device__ __forceinline__ void each_window(const PoolSizes& s, const PoolArray<last>& from,
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

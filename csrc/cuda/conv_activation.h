// An activation as the kernels of convolution see it.
#pragma once

#include "cuda/conv_phase.h"

namespace lamina::cuda {

// An activation with `channels` a group.
template <class T>
struct Activation {
  T* data;
  int64_t stride[2 + kConvDims];
  int64_t channels;
  bool wide;  // channels of a group can be moved by 16 bytes

  __device__ __forceinline__ T* group(int64_t g) const { return data + g * channels * stride[1]; }
};

template <class T>
inline bool can_be_wide(const kernels::ConvTensor& a, int64_t channels, int64_t n,
                        const int64_t* size) {
  bool wide = a.stride[1] == 1 && channels % kChunk<T> == 0 &&
              reinterpret_cast<uintptr_t>(a.data) % 16 == 0 &&
              (n == 1 || a.stride[0] % kChunk<T> == 0);
  for (int d = 0; d < kConvDims; ++d) wide &= size[d] == 1 || a.stride[2 + d] % kChunk<T> == 0;
  return wide;
}

template <class T>
Activation<T> activation(const kernels::ConvTensor& a, int64_t channels, int64_t n,
                         const int64_t* size) {
  Activation<T> to{static_cast<T*>(a.data), {}, channels, can_be_wide<T>(a, channels, n, size)};
  for (int d = 0; d < 2 + kConvDims; ++d) to.stride[d] = a.stride[d];
  return to;
}

// Positions `rows` apart by `step` rows of the activation, from `first` on: those of an output.
__device__ __forceinline__ Positions positions(const int64_t (&stride)[2 + kConvDims], int n,
                                               const Phase& d, const Phase& h, const Phase& w,
                                               const Dimension (&dims)[kConvDims]) {
  const int by[] = {dims[0].forward ? 1 : dims[0].phases, dims[1].forward ? 1 : dims[1].phases,
                    dims[2].forward ? 1 : dims[2].phases};
  return {{n, d.rows, h.rows, w.rows},
          {stride[0], by[0] * stride[2], by[1] * stride[3], by[2] * stride[4]},
          d.number * stride[2] + h.number * stride[3] + w.number * stride[4],
          {},
          {}};
}

}  // namespace lamina::cuda

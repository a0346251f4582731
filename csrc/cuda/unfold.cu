// im2col and col2im of row-major planes.
//
// A thread an element of the result: unfold reads where its tap lies; fold gathers from the taps
// that meet its position, so that no two threads add to one place.  Neighbouring threads read
// neighbours, or every stride-th of them.  Bound by the columns' bytes: 4 written or read an
// element in float32; the planes are taps times fewer: 3 x 3 columns of 32 images of 64 channels,
// 56 x 56, are 231 MB, and planes 26 MB, 60 us at the 4.3 TB/s that an H200 copies.  Compiled and
// emulated, not yet run on a device.
#include "cuda/divide.h"
#include "kernels/registry.h"
#include "kernels/unfold.h"

namespace lamina::cuda {
namespace {

using kernels::UnfoldShape;

constexpr int kThreads = 256;

// UnfoldShape by which a device divides.
struct Sizes {
  WideDivisor in[2], out[2], kernel[2], stride[2];
  int64_t padding[2], dilation[2];

  explicit Sizes(const UnfoldShape& s) {
    for (int d = 0; d < 2; ++d) {
      in[d] = WideDivisor(s.in[d]);
      out[d] = WideDivisor(s.out[d]);
      kernel[d] = WideDivisor(s.kernel[d]);
      stride[d] = WideDivisor(s.stride[d]);
      padding[d] = s.padding[d];
      dilation[d] = s.dilation[d];
    }
  }

  // The position in x of tap t of position o.
  __device__ int64_t position(int d, int64_t o, int64_t t) const {
    return o * stride[d].value - padding[d] + t * dilation[d];
  }
  // The position whose tap t is i; -1 for none.
  __device__ int64_t origin(int d, int64_t i, int64_t t) const {
    const int64_t distance = i + padding[d] - t * dilation[d];
    if (distance < 0) return -1;
    const int64_t o = distance / stride[d];
    return o * stride[d].value == distance && o < out[d].value ? o : -1;
  }
};

template <class T>
__global__ void __launch_bounds__(kThreads)
    unfold_kernel(const Sizes s, int64_t n, const T* x, T* columns) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= n) return;
  const int64_t row = i / s.out[1], taps = row / s.out[0];
  const int64_t rows = taps / s.kernel[1], plane = rows / s.kernel[0];
  const int64_t h = s.position(0, row - taps * s.out[0].value, rows - plane * s.kernel[0].value);
  const int64_t w = s.position(1, i - row * s.out[1].value, taps - rows * s.kernel[1].value);
  const bool inside = h >= 0 && h < s.in[0].value && w >= 0 && w < s.in[1].value;
  columns[i] = inside ? x[(plane * s.in[0].value + h) * s.in[1].value + w] : T(0);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    fold_kernel(const Sizes s, int64_t n, const T* columns, T* x) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= n) return;
  const int64_t row = i / s.in[1], plane = row / s.in[0];
  const int64_t h = row - plane * s.in[0].value, w = i - row * s.in[1].value;
  T sum = 0;
  for (int64_t kh = 0; kh < s.kernel[0].value; ++kh) {
    const int64_t oh = s.origin(0, h, kh);
    if (oh < 0) continue;
    for (int64_t kw = 0; kw < s.kernel[1].value; ++kw) {
      const int64_t ow = s.origin(1, w, kw);
      if (ow < 0) continue;
      const int64_t tap = (plane * s.kernel[0].value + kh) * s.kernel[1].value + kw;
      sum += columns[(tap * s.out[0].value + oh) * s.out[1].value + ow];
    }
  }
  x[i] = sum;
}

void unfold_columns(const UnfoldShape& s, const void* x, void* columns) {
  const int64_t n = s.planes * s.kernel[0] * s.kernel[1] * s.out[0] * s.out[1];
  visit_real(s.dtype, [&](auto tag) {
    using T = decltype(tag);
    launch(&unfold_kernel<T>, blocks_for(n, kThreads), kThreads, 0, stream(), Sizes(s), n,
           static_cast<const T*>(x), static_cast<T*>(columns));
  });
}

void fold_columns(const UnfoldShape& s, const void* columns, void* x) {
  const int64_t n = s.planes * s.in[0] * s.in[1];
  visit_real(s.dtype, [&](auto tag) {
    using T = decltype(tag);
    launch(&fold_kernel<T>, blocks_for(n, kThreads), kThreads, 0, stream(), Sizes(s), n,
           static_cast<const T*>(columns), static_cast<T*>(x));
  });
}

}  // namespace

LAMINA_CUDA_KERNELS(Unfold, unfold){&unfold_columns, &fold_columns};

}  // namespace lamina::cuda

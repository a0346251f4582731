// Elementwise functions of three operands.
//
// Bound by bytes: 16 an element of packed float32, 13 where one operand is a bool; 1e8 elements
// take at least 0.37 and 0.30 ms at the 4.3 TB/s that an H200 copies.  Compiled and emulated, not
// yet run on a device.
#include "cuda/activation_math.h"
#include "cuda/maps.h"

namespace lamina::cuda {
namespace {

using kernels::Ternary;

template <class T>
struct Where {
  static __device__ __forceinline__ T apply(const double*, bool condition, T a, T b) {
    return condition ? a : b;
  }
};

template <class T>
struct Clamp {
  static __device__ __forceinline__ T apply(const double*, T x, T low, T high) {
    return math::minimum(math::maximum(x, low), high);
  }
};

// From the nearer end, so that weight 1 gives b exactly (as torch).
template <class T>
struct Lerp {
  static __device__ __forceinline__ T apply(const double*, T a, T b, T w) {
    const T apart = b - a;
    return w < T(0.5) && w > T(-0.5) ? a + w * apart : b - apart * (1 - w);
  }
};

template <class T>
struct Addcmul {
  static __device__ __forceinline__ T apply(const double* p, T a, T b, T c) {
    return a + static_cast<T>(p[0]) * b * c;
  }
};

template <class T>
struct Addcdiv {
  static __device__ __forceinline__ T apply(const double* p, T a, T b, T c) {
    return a + static_cast<T>(p[0]) * b / c;
  }
};

template <class T>
MapKernel<4> kernel(Ternary op) {
  switch (op) {
    case Ternary::where:
      return &map_kernel<Where<T>, T, bool, T, T>;
    case Ternary::clamp:
      return &map_kernel<Clamp<T>, T, T, T, T>;
    case Ternary::addcmul:
      return &map_kernel<Addcmul<T>, T, T, T, T>;
    default:
      if constexpr (std::is_floating_point_v<T>)
        return op == Ternary::lerp ? &map_kernel<Lerp<T>, T, T, T, T>
                                   : &map_kernel<Addcdiv<T>, T, T, T, T>;
      __builtin_unreachable();
  }
}

}  // namespace

Map<4> ternary_map(Ternary op, DType compute) {
  const DType first = op == Ternary::where ? DType::boolean : compute;
  const auto result = [&](MapKernel<4> k) { return Map<4>{k, {compute, first, compute, compute}}; };
  switch (compute) {
    case DType::float64:
      return result(kernel<double>(op));
    case DType::float32:
      return result(kernel<float>(op));
    case DType::int64:
      return result(kernel<int64_t>(op));
    default:
      return result(kernel<int32_t>(op));
  }
}

}  // namespace lamina::cuda

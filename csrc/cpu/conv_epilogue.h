// What happens to a sum on its way into y: the residual that lies where y does, and the bounds of a
// ReLU or its like.
#pragma once

#include "core/parallel.h"
#include "cpu/lanes.h"
#include "kernels/conv.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

template <class T>
struct Epilogue {
  int64_t residual = 0;  // elements from y to what is added to it; 0: nothing
  bool bounded = false;
  T low = 0, high = 0;

  Epilogue() = default;
  LAMINA_INLINE Epilogue(const kernels::ConvEpilogue& e, const void* y)
      : residual(e.residual
                     ? (reinterpret_cast<intptr_t>(e.residual) - reinterpret_cast<intptr_t>(y)) /
                           static_cast<int64_t>(sizeof(T))
                     : 0),
        bounded(e.low > -__builtin_huge_val() || e.high < __builtin_huge_val()),
        low(static_cast<T>(e.low)),
        high(static_cast<T>(e.high)) {}

  // What is stored at y, of whose lanes n count.
  LAMINA_INLINE Vec<T> apply(Vec<T> sum, const T* y, int n = kLanes<T>) const {
    if (residual) sum += load_lanes(y + residual, n);
    return bounded ? bound(sum) : sum;
  }
  LAMINA_INLINE Vec<T> bound(Vec<T> sum) const {
    const Vec<T> least = broadcast(low), most = broadcast(high);
    const Vec<T> raised = select(sum < least, least, sum);  // one max, one min
    return select(raised > most, most, raised);
  }
  LAMINA_INLINE T apply(T sum, const T* y) const {
    if (residual) sum += y[residual];
    if (!bounded) return sum;
    return sum < low ? low : sum > high ? high : sum;
  }
};

// The epilogue as a pass over y (n, k, out...), for algorithms that are not bound by it.
template <class T>
void apply_epilogue(const kernels::ConvShape& s, const Epilogue<T>& epilogue,
                    const kernels::ConvTensor& y) {
  if (!epilogue.residual && !epilogue.bounded) return;
  const int64_t* stride = y.stride;
  parallel_for(s.n * s.out[0] * s.out[1], 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t n = row / s.out[1] / s.out[0], d = row / s.out[1] % s.out[0];
      T* first =
          static_cast<T*>(y.data) + n * stride[0] + d * stride[2] + row % s.out[1] * stride[3];
      for (int64_t w = 0; w < s.out[2]; ++w)
        for (int64_t k = 0; k < s.k; ++k) {
          T* to = first + w * stride[4] + k * stride[1];
          *to = epilogue.apply(*to, to);
        }
    }
  });
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

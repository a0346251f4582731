// What happens to a sum on its way into y: the residual that lies where y does, and ReLU.
#pragma once

#include "cpu/lanes.h"
#include "kernels/conv.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

template <class T>
struct Epilogue {
  int64_t residual = 0;  // elements from y to what is added to it; 0: nothing
  bool relu = false;

  Epilogue() = default;
  LAMINA_INLINE Epilogue(const kernels::ConvEpilogue& e, const void* y)
      : residual(e.residual
                     ? (reinterpret_cast<intptr_t>(e.residual) - reinterpret_cast<intptr_t>(y)) /
                           static_cast<int64_t>(sizeof(T))
                     : 0),
        relu(e.relu) {}

  // What is stored at y, of whose lanes n count.
  LAMINA_INLINE Vec<T> apply(Vec<T> sum, const T* y, int n = kLanes<T>) const {
    if (residual) sum += load_lanes(y + residual, n);
    return relu ? select(sum < Vec<T>{}, Vec<T>{}, sum) : sum;  // NaN stays
  }
  LAMINA_INLINE T apply(T sum, const T* y) const {
    if (residual) sum += y[residual];
    return relu && sum < T(0) ? T(0) : sum;
  }
};

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

// Between element types: one value, or a strided row of them.
#pragma once

#include "cpu/vec.h"

namespace lamina::cpu::LAMINA_ISA {

// What a dtype is computed in.
template <class T>
struct Compute {
  using Type = T;
};
template <>
struct Compute<float16> {
  using Type = float;
};
template <>
struct Compute<bfloat16> {
  using Type = float;
};

template <class To, class From>
LAMINA_INLINE To convert(From x) {
  if constexpr (__is_same(To, From)) {
    return x;
  } else if constexpr (__is_same(To, bool)) {
    return static_cast<typename Compute<From>::Type>(x) != 0;
  } else if constexpr (__is_same(typename Compute<To>::Type, To)) {
    return static_cast<To>(static_cast<typename Compute<From>::Type>(x));
  } else {
    return To(static_cast<float>(x));
  }
}

// out[i * out_stride] = To(in[i * in_stride]); strides count elements, 0 repeats one.
using Converter = void (*)(void* out, int64_t out_stride, const void* in, int64_t in_stride,
                           int64_t n);
Converter converter(DType from, DType to);

}  // namespace lamina::cpu::LAMINA_ISA

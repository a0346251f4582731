// Element types, and the visitor that turns a run-time dtype into a C++ type once, at a kernel's
// outer edge.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/half.h"
#include "core/macros.h"

namespace lamina {

// The order is the one of type promotion: within a category a later type wins.
enum class DType : uint8_t {
  boolean,
  uint8,
  int8,
  int32,
  int64,
  float16,
  bfloat16,
  float32,
  float64
};
inline constexpr int kDTypes = 9;

LAMINA_INLINE constexpr size_t itemsize(DType t) {
  constexpr uint8_t size[kDTypes] = {1, 1, 1, 4, 8, 2, 2, 4, 8};
  return size[static_cast<int>(t)];
}

LAMINA_INLINE constexpr bool is_floating(DType t) { return t >= DType::float16; }

const char* name(DType t);

// dtype_of<float> == DType::float32, ...
template <class T>
inline constexpr DType dtype_of = DType::boolean;
template <>
inline constexpr DType dtype_of<uint8_t> = DType::uint8;
template <>
inline constexpr DType dtype_of<int8_t> = DType::int8;
template <>
inline constexpr DType dtype_of<int32_t> = DType::int32;
template <>
inline constexpr DType dtype_of<int64_t> = DType::int64;
template <>
inline constexpr DType dtype_of<float16> = DType::float16;
template <>
inline constexpr DType dtype_of<bfloat16> = DType::bfloat16;
template <>
inline constexpr DType dtype_of<float> = DType::float32;
template <>
inline constexpr DType dtype_of<double> = DType::float64;

// Calls f(T{}) with the C++ type of `t`.  Callers name the type by decltype of the argument.
template <class F>
LAMINA_INLINE decltype(auto) visit(DType t, F&& f) {
  switch (t) {
    case DType::boolean:
      return f(bool{});
    case DType::uint8:
      return f(uint8_t{});
    case DType::int8:
      return f(int8_t{});
    case DType::int32:
      return f(int32_t{});
    case DType::int64:
      return f(int64_t{});
    case DType::float16:
      return f(float16{});
    case DType::bfloat16:
      return f(bfloat16{});
    case DType::float32:
      return f(float{});
    case DType::float64:
      return f(double{});
  }
  __builtin_unreachable();
}

// The two types that every layer computes in.
template <class F>
LAMINA_INLINE decltype(auto) visit_real(DType t, F&& f) {
  if (t == DType::float64) return f(double{});
  return f(float{});
}

}  // namespace lamina

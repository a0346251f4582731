// Between element types: one value, or four neighbours.
#pragma once

#include "core/dtype.h"
#include "cuda/launch.h"

namespace lamina::cuda {

LAMINA_INLINE float16 to_float16(float x) {
#if defined(__CUDA_ARCH__)
  float16 y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
#else
  return float16(x);
#endif
}

LAMINA_INLINE bfloat16 to_bfloat16(float x) {
#if defined(__CUDA_ARCH__)
  bfloat16 y;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
#else
  return bfloat16(x);
#endif
}

LAMINA_INLINE float to_float(bfloat16 x) { return x; }
LAMINA_INLINE float to_float(float16 x) {
#if defined(__CUDA_ARCH__)
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
  return y;
#else
  return x;
#endif
}

template <class T>
inline constexpr bool kHalf = __is_same(T, float16) || __is_same(T, bfloat16);

template <class To, class From>
LAMINA_INLINE To convert(From x) {
  if constexpr (__is_same(To, From)) {
    return x;
  } else if constexpr (kHalf<From>) {
    return convert<To>(to_float(x));
  } else if constexpr (__is_same(To, bool)) {
    return x != 0;
  } else if constexpr (__is_same(To, float16)) {
    return to_float16(static_cast<float>(x));
  } else if constexpr (__is_same(To, bfloat16)) {
    return to_bfloat16(static_cast<float>(x));
  } else {
    return static_cast<To>(x);
  }
}

// Four neighbours, moved by loads and stores of up to 128 bits.
inline constexpr int kPack = 4;

template <class T>
struct alignas(sizeof(T) * kPack < 16 ? sizeof(T) * kPack : 16) Pack {
  T v[kPack];
};

inline bool aligned_for_packs(const void* data, DType dtype) {
  const size_t bytes = itemsize(dtype) * kPack;
  return reinterpret_cast<uintptr_t>(data) % (bytes < 16 ? bytes : 16) == 0;
}

// Element i of memory of type `dtype` as a T.
template <class T>
__device__ __forceinline__ T load(const void* data, DType dtype, int64_t i) {
  return visit(dtype,
               [&](auto tag) { return convert<T>(static_cast<const decltype(tag)*>(data)[i]); });
}

template <class T>
__device__ __forceinline__ void store(void* data, DType dtype, int64_t i, T value) {
  visit(dtype, [&](auto tag) {
    using To = decltype(tag);
    static_cast<To*>(data)[i] = convert<To>(value);
  });
}

template <class T, class From>
__device__ __forceinline__ Pack<T> load_pack_as(const void* data, int64_t i) {
  const auto from = static_cast<const Pack<From>*>(data)[i];
  Pack<T> to;
  for (int k = 0; k < kPack; ++k) to.v[k] = convert<T>(from.v[k]);
  return to;
}

template <class From, class T>
__device__ __forceinline__ void store_pack_as(void* data, int64_t i, Pack<T> value) {
  Pack<From> to;
  for (int k = 0; k < kPack; ++k) to.v[k] = convert<From>(value.v[k]);
  static_cast<Pack<From>*>(data)[i] = to;
}

// Between which types packs are moved: equal ones, and 16-bit floats and what they are computed in.
template <class T>
LAMINA_INLINE bool packs(DType dtype) {
  if constexpr (__is_same(T, float))
    if (dtype == DType::bfloat16 || dtype == DType::float16) return true;
  if constexpr (kHalf<T>)
    if (dtype == DType::float32) return true;
  return dtype == dtype_of<T>;
}

// Pack i as Ts.
template <class T>
__device__ __forceinline__ Pack<T> load_pack(const void* data, DType dtype, int64_t i) {
  if constexpr (__is_same(T, float)) {
    if (dtype == DType::bfloat16) return load_pack_as<T, bfloat16>(data, i);
    if (dtype == DType::float16) return load_pack_as<T, float16>(data, i);
  }
  if constexpr (kHalf<T>)
    if (dtype == DType::float32) return load_pack_as<T, float>(data, i);
  return static_cast<const Pack<T>*>(data)[i];
}

template <class T>
__device__ __forceinline__ void store_pack(void* data, DType dtype, int64_t i, Pack<T> value) {
  if constexpr (__is_same(T, float)) {
    if (dtype == DType::bfloat16) return store_pack_as<bfloat16>(data, i, value);
    if (dtype == DType::float16) return store_pack_as<float16>(data, i, value);
  }
  static_cast<Pack<T>*>(data)[i] = value;
}

}  // namespace lamina::cuda

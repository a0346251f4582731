// Vec<T>: as many T as one register of the instruction set holds, on the compiler's vector
// extension, so that + - * /, comparisons and `mask ? a : b` are the compiler's.  a * b + c becomes
// one FMA where the processor has it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/dtype.h"
#include "core/macros.h"

#if !defined(LAMINA_ISA)
#error "cpu/vec.h belongs to files that are compiled per instruction set"
#endif

namespace lamina::cpu::LAMINA_ISA {

#if defined(__AVX512F__)
inline constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
inline constexpr int kVectorBytes = 32;
#else
inline constexpr int kVectorBytes = 16;
#endif

template <class T>
struct VecTypes {
  static constexpr int size = kVectorBytes / sizeof(T);
  typedef T Register __attribute__((vector_size(kVectorBytes)));
  typedef T Memory __attribute__((vector_size(kVectorBytes), aligned(alignof(T)), may_alias));
};

template <class T>
using Vec = typename VecTypes<T>::Register;

template <class T>
inline constexpr int kLanes = VecTypes<T>::size;

template <class T>
LAMINA_INLINE Vec<T> load(const T* p) {  // any alignment
  return *reinterpret_cast<const typename VecTypes<T>::Memory*>(p);
}

template <class T>
LAMINA_INLINE void store(T* p, Vec<T> v) {
  *reinterpret_cast<typename VecTypes<T>::Memory*>(p) = v;
}

template <class T>
LAMINA_INLINE Vec<T> broadcast(T x) {
  return x - Vec<T>{};
}

// The first n lanes from memory, the rest `fill`; touches no byte beyond p[n-1].
template <class T>
LAMINA_INLINE Vec<T> load_partial(const T* p, int n, T fill = T(0)) {
  Vec<T> v = broadcast(fill);
  for (int i = 0; i < n; ++i) v[i] = p[i];
  return v;
}

template <class T>
LAMINA_INLINE void store_partial(T* p, Vec<T> v, int n) {
  for (int i = 0; i < n; ++i) p[i] = v[i];
}

// a if the lane of `mask` (the result of a comparison) is set, else b.
template <class V, class M>
LAMINA_INLINE V select(M mask, V a, V b) {
  return mask ? a : b;
}

// NaN in either operand gives NaN, as in torch.
template <class V>
LAMINA_INLINE V maximum(V a, V b) {
  return (a > b) | (a != a) ? a : b;
}

template <class V>
LAMINA_INLINE V minimum(V a, V b) {
  return (a < b) | (a != a) ? a : b;
}

// x kept in [low, high], numbers both; NaN stays.
template <class V, class T>
LAMINA_INLINE V clamp(V x, T low, T high) {
  const V y = x < low ? V{} + low : x;
  return y > high ? V{} + high : y;
}

}  // namespace lamina::cpu::LAMINA_ISA

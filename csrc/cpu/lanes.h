// The first n lanes of a vector: whole loads and stores where n is all of them, no byte beyond them otherwise.
#pragma once

#include "cpu/vec.h"

namespace lamina::cpu::LAMINA_ISA {

template <class T>
LAMINA_INLINE Vec<T> load_lanes(const T* p, int n, T fill = T(0)) {
  return n == kLanes<T> ? load(p) : load_partial(p, n, fill);
}

template <class T>
LAMINA_INLINE void store_lanes(T* p, Vec<T> v, int n) {
  if (n == kLanes<T>)
    store(p, v);
  else
    store_partial(p, v, n);
}

}  // namespace lamina::cpu::LAMINA_ISA

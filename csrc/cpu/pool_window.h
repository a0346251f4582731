// Which input positions a pooling window holds, and which windows hold an input position.
#pragma once

#include "core/memory.h"
#include "cpu/vec.h"
#include "kernels/pool.h"

namespace lamina::cpu::LAMINA_ISA {

#include "kernels/pool_window.inc"

// The windows of every dimension, looked up where finding them would cost more than what is in them.
struct WindowTable {
  const Scratch held;
  const Window* of[kernels::kPoolDims];

  LAMINA_INLINE explicit WindowTable(const kernels::PoolShape& s)
      : held((s.out[0] + s.out[1] + s.out[2]) * sizeof(Window)) {
    Window* next = held.as<Window>();
    for (int dim = 0; dim < kernels::kPoolDims; ++dim) {
      of[dim] = next;
      for (int64_t o = 0; o < s.out[dim]; ++o) *next++ = window(s, dim, o);
    }
  }
};

// The covers of every position of every dimension: looked up, for dividing once a position would
// cost more than the rest.
struct CoverTable {
  const Scratch held;
  const Cover* of[kernels::kPoolDims];

  LAMINA_INLINE explicit CoverTable(const kernels::PoolShape& s)
      : held((s.in[0] + s.in[1] + s.in[2]) * sizeof(Cover)) {
    Cover* next = held.as<Cover>();
    for (int dim = 0; dim < kernels::kPoolDims; ++dim) {
      of[dim] = next;
      for (int64_t i = 0; i < s.in[dim]; ++i) *next++ = cover(s, dim, i);
    }
  }
};

LAMINA_INLINE int64_t volume(const int64_t (&size)[kernels::kPoolDims]) {
  return size[0] * size[1] * size[2];
}

}  // namespace lamina::cpu::LAMINA_ISA

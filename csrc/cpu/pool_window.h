// Which input positions a pooling window holds, and which windows hold an input position.
#pragma once

#include "core/memory.h"
#include "cpu/vec.h"
#include "kernels/pool.h"

namespace lamina::cpu::LAMINA_ISA {

LAMINA_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
LAMINA_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
LAMINA_INLINE int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }  // a >= 0

// Positions first + k*step for the taps k in [begin, end): those that lie in the input.
struct Window {
  int64_t first, step, begin, end;
};

LAMINA_INLINE Window window(const kernels::PoolShape& s, int dim, int64_t o) {
  const int64_t in = s.in[dim];
  if (s.adaptive) {
    const int64_t first = o * in / s.out[dim];
    return {first, 1, 0, divide_up((o + 1) * in, s.out[dim]) - first};
  }
  const int64_t first = o * s.stride[dim] - s.padding[dim], step = s.dilation[dim];
  const int64_t room = larger(in - first, 0), before = larger(-first, 0);
  if (step == 1) return {first, 1, before, smaller(s.kernel[dim], room)};
  return {first, step, divide_up(before, step), smaller(s.kernel[dim], divide_up(room, step))};
}

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

// Windows that may hold position i: all of [begin, end) if there is no dilation.
struct Cover {
  int64_t begin, end;
};

LAMINA_INLINE Cover cover(const kernels::PoolShape& s, int dim, int64_t i) {
  const int64_t in = s.in[dim], out = s.out[dim];
  if (s.adaptive) return {i * out / in, divide_up((i + 1) * out, in)};
  const int64_t at = i + s.padding[dim], extent = (s.kernel[dim] - 1) * s.dilation[dim] + 1;
  return {at < extent ? 0 : (at - extent) / s.stride[dim] + 1,
          smaller(out, at / s.stride[dim] + 1)};
}

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

// The tap of window o that is position i, or -1.
LAMINA_INLINE int64_t tap_of(const kernels::PoolShape& s, int dim, int64_t o, int64_t i) {
  if (s.adaptive) return i - o * s.in[dim] / s.out[dim];
  const int64_t distance = i + s.padding[dim] - o * s.stride[dim], step = s.dilation[dim];
  if (step == 1) return distance;
  return distance % step == 0 ? distance / step : -1;
}

// By how much the mean over window o divides; the product over the three dimensions is the divisor.
LAMINA_INLINE int64_t divisor(const kernels::PoolShape& s, bool count_padding, int dim, int64_t o) {
  const Window w = window(s, dim, o);
  if (s.adaptive || !count_padding) return larger(w.end - w.begin, 0);
  return smaller(s.kernel[dim], s.in[dim] + s.padding[dim] - w.first);
}

LAMINA_INLINE int64_t volume(const int64_t (&size)[kernels::kPoolDims]) {
  return size[0] * size[1] * size[2];
}

}  // namespace lamina::cpu::LAMINA_ISA

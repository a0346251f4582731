// Moving elements without computing: what the strided copy of kernels/elementwise.h does not cover.
#pragma once

#include <cstdint>

namespace lamina::kernels {

// A triangle of each matrix: out[b, i, j] = src[b, i, j] where j - i <= diagonal (lower) or >=
// diagonal (upper), else 0.
struct Triangle {
  bool upper;
  int64_t diagonal;
  int64_t batch, rows, columns;
  int itemsize;     // 1, 2, 4 or 8
  void* out;        // (batch, rows, columns), contiguous
  const void* src;  // the same
};

struct Rearrange {
  void (*triangle)(const Triangle& t);
};

}  // namespace lamina::kernels

// How one reduction folds blocks of elements into its state; cpu/reduce.cpp drives it.
//
// A state is `words` rows of 8-byte words, one column an output: word w of output j is state[w * ld
// + j].
#pragma once

#include "cpu/vec.h"
#include "kernels/reduce.h"

namespace lamina::cpu::LAMINA_ISA {

inline constexpr int64_t kBlock =
    1024;  // elements folded in the element type before the state takes them
inline constexpr int64_t kBlockRows = 32;
inline constexpr int64_t kTile = 512;  // outputs at once
inline constexpr int kMaxWords = 3;

union Word {
  double real;
  int64_t integer;
};

struct Reducer {
  int words;
  DType result[2];  // what words 0 and 1 hold after `finish`: float64 or int64
  void (*start)(Word* state, int64_t ld, int64_t outputs);
  // Takes x[0..n), n <= kBlock, positions first, first + 1, ... of one output.
  void (*run)(Word* state, int64_t ld, const void* x, int64_t n, int64_t first, double parameter);
  // Takes x[i * row_stride + j], i < rows <= kBlockRows, for output j; row i is position first + i.
  void (*columns)(Word* state, int64_t ld, const void* x, int64_t row_stride, int64_t rows,
                  int64_t outputs, int64_t first, double parameter);
  void (*combine)(Word* state, const Word* later, int64_t ld, int64_t outputs);
  void (*finish)(Word* state, int64_t ld, int64_t outputs, int64_t n, double parameter);
};

// Each knows some of the ops, for compute types float32, float64, int64 (and bool for any and all).
Reducer fold_reducer(kernels::Reduce op, DType compute);    // sums, products, extrema, norms
Reducer moment_reducer(kernels::Reduce op, DType compute);  // var, std
Reducer index_reducer(kernels::Reduce op, DType compute);   // argmax, argmin, max, min

}  // namespace lamina::cpu::LAMINA_ISA

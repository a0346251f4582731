// Builds kernels::Loop: broadcasts operands to one shape, drops and merges dimensions, orders them
// by the output's memory.
#pragma once

#include <array>

#include "core/array.h"
#include "kernels/loop.h"

namespace lamina::ops {

// The shape that all operands broadcast to; throws naming `op` where they don't.
Dims broadcast_shapes(const Dims& a, const Dims& b, const char* op);

// Strides of `array` seen in `shape`, which it broadcasts to: 0 along broadcast dimensions.
Dims broadcast_strides(const Array& array, const Dims& shape);

struct Operands {  // what Loop needs of one operand
  void* data;
  Dims strides;
  bool number = false;  // a number in host memory, wherever the arrays are
};

void plan_loop(const Dims& shape, Operands* operands, int count, int* rank, int64_t* out_shape,
               int64_t (*out_strides)[kernels::kMaxLoopRank]);

// operands[0] is the output; all strides are those in `shape`.
template <size_t N>
kernels::Loop<N> make_loop(const Dims& shape, std::array<Operands, N> operands) {
  kernels::Loop<N> loop;
  plan_loop(shape, operands.data(), N, &loop.rank, loop.shape, loop.strides);
  for (size_t k = 0; k < N; ++k) {
    loop.data[k] = operands[k].data;
    if (operands[k].number) loop.numbers |= 1u << k;
  }
  return loop;
}

}  // namespace lamina::ops

// CUDA's built-in types and variables.
#pragma once

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};

// Set by the scheduler whenever another thread goes on.
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

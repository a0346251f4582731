// The meaning of products of a warpgroup (cuda/wgmma.h), operands described as in the PTX ISA.
#pragma once

#include <cstdint>

namespace lamina::cuda::emulate {

struct Product {
  float* d;  // of this thread
  int columns;
  uint64_t a, b;  // descriptors
  bool a_along_side, b_along_side, bfloat16;
  unsigned group = 0;
};

unsigned shared_address(const void* shared);  // from the start of dynamic shared memory
void begin_products();
void start_product(const Product& product);
void commit_products();
void wait_products(unsigned groups_under_way);

}  // namespace lamina::cuda::emulate

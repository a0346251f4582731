// The meaning of barriers in shared memory (cuda/mbarrier.h) and of the copies that they count
// (cuda/tensor_map.h).
#pragma once

#include <cuda.h>

#include <cstddef>
#include <cstdint>

namespace lamina::cuda::emulate {

struct Block;

void mbarrier_init(uint64_t* barrier, unsigned arrivals);
void mbarrier_arrive(uint64_t* barrier);
void mbarrier_expect(uint64_t* barrier, unsigned bytes);
void mbarrier_wait(uint64_t* barrier, unsigned parity);
void fence_async_proxy();

struct BoxPlace {
  int element, line, matrix;
};
void copy_box(void* shared, const CUtensorMap& map, uint64_t* barrier, BoxPlace at);

// Lets copy `i` of those that the block has in flight land.
void land_box(Block& block, size_t i);

}  // namespace lamina::cuda::emulate

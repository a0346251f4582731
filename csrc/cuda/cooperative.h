// Launches whose blocks all run at once, so that they can wait for each other.
#pragma once

#include "core/cuda.h"
#include "cuda/launch.h"

namespace lamina::cuda {

// A barrier of all threads of all blocks: what any of them wrote before it, all see after it.
//
// A counter in global memory, 0 before the launch, only grows: to the number of blocks by the first barrier, twice that
// by the second.  It may overflow.  One thread a block counts and waits; the barriers of its block around that bring
// the others' writes under its release, and its acquire to them.
struct GridBarrier {
  unsigned* arrived;

  // Of the nth barrier of a launch, n from 1; the same in every thread.
  __device__ __forceinline__ void wait([[maybe_unused]] unsigned nth) const {
#if defined(LAMINA_EMULATE)
    emulate::barrier(emulate::Wait::grid_barrier, "a barrier of the grid");
#elif defined(__CUDA_ARCH__)
    __syncthreads();
    if (threadIdx.x == 0) {
      const unsigned all = nth * gridDim.x * gridDim.y;
      unsigned now;
      asm volatile("red.release.gpu.global.add.u32 [%0], 1;" : : "l"(arrived) : "memory");
      do asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(now) : "l"(arrived) : "memory");
      while (static_cast<int>(now - all) < 0);
    }
    __syncthreads();
#endif
  }
};

// The most shared memory that a block may have on the active device.
inline size_t most_shared() {
  int bytes = 0;
  LAMINA_CUDA_CHECK(
      cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, active_device()));
  return static_cast<size_t>(bytes);
}

// How many blocks of the kernel the active device holds at once; 0 where it has no cooperative launches.
template <class Kernel>
int64_t cooperative_blocks([[maybe_unused]] Kernel kernel, int threads, size_t shared) {
  int offered = 0, resident = 0;
  LAMINA_CUDA_CHECK(
      cudaDeviceGetAttribute(&offered, cudaDevAttrCooperativeLaunch, active_device()));
  if (!offered || shared > most_shared()) return 0;
#if defined(LAMINA_EMULATE)
  resident = emulate::resident_blocks(static_cast<unsigned>(threads), shared);
#else
  allow_shared(kernel, shared);
  LAMINA_CUDA_CHECK(
      cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, kernel, threads, shared));
#endif
  return int64_t{resident} * properties(active_device()).multi_processor_count;
}

// As launch(), of no more blocks than cooperative_blocks(); the grid's z is 1.
template <class... P, class... A>
void launch_cooperative(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared,
                        cudaStream_t stream, const A&... arguments) {
#if defined(LAMINA_EMULATE)
  emulate::run_kernel<P...>(true, stream, kernel, grid, block, shared, arguments...);
#else
  allow_shared(kernel, shared);
  [&](P... values) {
    void* pointers[] = {&values..., nullptr};
    LAMINA_CUDA_CHECK(cudaLaunchCooperativeKernel(reinterpret_cast<const void*>(kernel), grid,
                                                  block, pointers, shared, stream));
  }(arguments...);
#endif
}

}  // namespace lamina::cuda

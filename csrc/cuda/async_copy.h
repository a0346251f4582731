// Copies from global to shared memory that go on while the thread computes (cp.async, sm_80).
#pragma once

#include "cuda/launch.h"

namespace lamina::cuda {

// 16 bytes, both addresses aligned to 16; those past `valid` become zero.
__device__ __forceinline__ void copy_async_16(void* shared, const void* global, int valid = 16) {
#if defined(LAMINA_EMULATE)
  emulate::copy_async(shared, global, 16, static_cast<unsigned>(valid));
#elif defined(__CUDA_ARCH__)
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"(static_cast<unsigned>(__cvta_generic_to_shared(shared))), "l"(global),
                 "r"(valid)
               : "memory");
#endif
}

// 8 bytes, aligned to 8; zero if not `valid`.
__device__ __forceinline__ void copy_async_8(void* shared, const void* global, bool valid = true) {
#if defined(LAMINA_EMULATE)
  emulate::copy_async(shared, global, 8, valid ? 8 : 0);
#elif defined(__CUDA_ARCH__)
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;"
               :
               : "r"(static_cast<unsigned>(__cvta_generic_to_shared(shared))), "l"(global),
                 "r"(valid ? 8 : 0)
               : "memory");
#endif
}

// 4 bytes, aligned to 4; zero if not `valid`.
__device__ __forceinline__ void copy_async_4(void* shared, const void* global, bool valid = true) {
#if defined(LAMINA_EMULATE)
  emulate::copy_async(shared, global, 4, valid ? 4 : 0);
#elif defined(__CUDA_ARCH__)
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;"
               :
               : "r"(static_cast<unsigned>(__cvta_generic_to_shared(shared))), "l"(global),
                 "r"(valid ? 4 : 0)
               : "memory");
#endif
}

// Ends a group: the copies that this thread has issued since the last one.
__device__ __forceinline__ void commit_async_copies() {
#if defined(LAMINA_EMULATE)
  emulate::commit_copies();
#elif defined(__CUDA_ARCH__)
  asm volatile("cp.async.commit_group;" : : : "memory");
#endif
}

// Waits until at most `groups` of this thread's are in flight; a barrier then shows what landed to
// the others.
template <int groups>
__device__ __forceinline__ void wait_async_copies() {
#if defined(LAMINA_EMULATE)
  emulate::wait_copies(groups);
#elif defined(__CUDA_ARCH__)
  asm volatile("cp.async.wait_group %0;" : : "n"(groups) : "memory");
#endif
}

}  // namespace lamina::cuda

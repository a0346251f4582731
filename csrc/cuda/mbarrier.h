// Barriers in shared memory (mbarrier, with the byte counts of sm_90): a phase ends when as many
// arrivals as the barrier was made for have come and all bytes that it was told to expect have
// landed; the next one starts at once.  Who arrives goes on; who waits names the parity of a phase,
// 0 for the first, and goes on if it has ended.  Waiting for parity 1 of a new barrier returns.
#pragma once

#include "cuda/sm90.h"

#if defined(LAMINA_EMULATE)
#include "cuda/emulate/mbarrier.h"
#endif

namespace lamina::cuda {

using Mbarrier = uint64_t;

// By one thread; fence_mbarrier_init() and a barrier of the block then show it to the others.
__device__ __forceinline__ void mbarrier_init(Mbarrier* barrier, unsigned arrivals) {
#if defined(LAMINA_EMULATE)
  emulate::mbarrier_init(barrier, arrivals);
#elif LAMINA_SM90_CODE
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;"
               :
               : "r"(shared_address(barrier)), "r"(arrivals)
               : "memory");
#endif
}

// Shows new barriers to bulk copies.
__device__ __forceinline__ void fence_mbarrier_init() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("fence.mbarrier_init.release.cluster;" : : : "memory");
#endif
}

// What this thread has done so far comes before the end of the phase.
__device__ __forceinline__ void mbarrier_arrive(Mbarrier* barrier) {
#if defined(LAMINA_EMULATE)
  emulate::mbarrier_arrive(barrier);
#elif LAMINA_SM90_CODE
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];"
               :
               : "r"(shared_address(barrier))
               : "memory");
#endif
}

// The phase also waits for `bytes` of bulk copies, which are started after this.
__device__ __forceinline__ void mbarrier_expect(Mbarrier* barrier, unsigned bytes) {
#if defined(LAMINA_EMULATE)
  emulate::mbarrier_expect(barrier, bytes);
#elif LAMINA_SM90_CODE
  asm volatile("mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%0], %1;"
               :
               : "r"(shared_address(barrier)), "r"(bytes)
               : "memory");
#endif
}

__device__ __forceinline__ void mbarrier_wait(Mbarrier* barrier, unsigned parity) {
#if defined(LAMINA_EMULATE)
  emulate::mbarrier_wait(barrier, parity);
#elif LAMINA_SM90_CODE
  unsigned done;
  do {
    asm volatile(
        "{\n"
        ".reg .pred p;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
        "selp.b32 %0, 1, 0, p;\n"
        "}"
        : "=r"(done)
        : "r"(shared_address(barrier)), "r"(parity)
        : "memory");
  } while (!done);
#endif
}

// What this thread has written to shared memory, by stores or landed cp.async, comes before what
// tensor cores and bulk copies do to it behind a barrier: those see memory another way (the async
// proxy).
__device__ __forceinline__ void fence_async_proxy() {
#if defined(LAMINA_EMULATE)
  emulate::fence_async_proxy();
#elif LAMINA_SM90_CODE
  asm volatile("fence.proxy.async.shared::cta;" : : : "memory");
#endif
}

}  // namespace lamina::cuda

// Whether what is being compiled is code for compute capability 9.0 with its own features (sm_90a),
// or stands for it in the emulator.  Kernels that use them are empty elsewhere; on_sm90() keeps
// other devices, and builds without such code, from launching them.
#pragma once

#include "cuda/launch.h"

#if defined(LAMINA_EMULATE) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define LAMINA_SM90_CODE 1
#else
#define LAMINA_SM90_CODE 0
#endif

namespace lamina::cuda {

// Whether kernels launched now can use sm_90a's instructions.
bool on_sm90();

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
// Of a place in shared memory, in its own 32-bit space.
__device__ __forceinline__ unsigned shared_address(const void* shared) {
  return static_cast<unsigned>(__cvta_generic_to_shared(shared));
}
#endif

inline constexpr int kWarpgroup = 128;  // threads that multiply together

// Hands registers of this warpgroup to the block's others, down to `registers` a thread, or takes
// what they have handed back, up to that.  A multiple of 8; all its threads call it.
template <int registers>
__device__ __forceinline__ void give_registers() {
  static_assert(registers % 8 == 0 && registers >= 24 && registers <= 256);
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" : : "n"(registers));
#endif
}
template <int registers>
__device__ __forceinline__ void take_registers() {
  static_assert(registers % 8 == 0 && registers >= 24 && registers <= 256);
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" : : "n"(registers));
#endif
}

}  // namespace lamina::cuda

// What a kernel file includes: CUDA's names, the launch and shared memory.  nvcc makes device code
// of it, the host compiler what the emulator runs (LAMINA_EMULATE).
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "core/macros.h"
#include "cuda/device.h"
#include "cuda/error.h"

#if defined(LAMINA_EMULATE)
#include "cuda/emulate/launch.h"
#endif

namespace lamina::cuda {

inline constexpr unsigned kWarpSize = 32, kAllLanes = 0xffffffffu;

#if !defined(LAMINA_EMULATE)
// Lets a kernel have more shared memory than it gets unasked.
template <class Kernel>
void allow_shared(Kernel kernel, size_t shared) {
  constexpr size_t kUnasked = 48 << 10;
  if (shared > kUnasked)
    LAMINA_CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                           static_cast<int>(shared)));
}
#endif

// Runs kernel(arguments...) on the grid, in order of the stream, with `shared` bytes of dynamic
// shared memory a block.  No size of the grid or the block may be 0.
template <class... P, class... A>
void launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, cudaStream_t stream,
            const A&... arguments) {
#if defined(LAMINA_EMULATE)
  emulate::run_kernel<P...>(false, stream, kernel, grid, block, shared, arguments...);
#else
  allow_shared(kernel, shared);
  [&](P... values) {
    void* pointers[] = {&values..., nullptr};
    LAMINA_CUDA_CHECK(cudaLaunchKernel(reinterpret_cast<const void*>(kernel), grid, block, pointers,
                                       shared, stream));
  }(arguments...);
#endif
}

// Blocks for n > 0 items, each block taking `per_block` of them.
inline unsigned blocks_for(int64_t n, int64_t per_block) {
  return static_cast<unsigned>((n + per_block - 1) / per_block);
}

}  // namespace lamina::cuda

// LAMINA_SHARED(float, tile, [32][33]);  declares an array (or, without the last argument, a
// variable) that the threads of a block share.  It starts with anything: in the emulator with NaN.
#if defined(LAMINA_EMULATE)
#define LAMINA_SHARED(Type, name, ...)     \
  static char name##_key;                  \
  using name##_type = Type __VA_ARGS__;    \
  auto& name = *static_cast<name##_type*>( \
      ::lamina::cuda::emulate::shared_array(&name##_key, sizeof(name##_type)))
#define LAMINA_DYNAMIC_SHARED(Type, name) \
  Type* name = static_cast<Type*>(::lamina::cuda::emulate::dynamic_shared_array())
#else
#define LAMINA_SHARED(Type, name, ...) __shared__ __align__(16) Type name __VA_ARGS__
#define LAMINA_DYNAMIC_SHARED(Type, name)                          \
  extern __shared__ __align__(1024) unsigned char lamina_shared[]; \
  Type* name = reinterpret_cast<Type*>(lamina_shared)
#endif

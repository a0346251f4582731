// The tensor cores' warp instructions (sm_80): PTX on a device, their meaning in the emulator.
// tests/cuda/mma.cu compares both with the definition.
#pragma once

#include "core/half.h"
#include "cuda/launch.h"

#if defined(LAMINA_EMULATE)
#include "cuda/emulate/mma.h"
#endif

namespace lamina::cuda {

// x rounded to TF32, the nearest of 10 bits of mantissa, ties away from zero.
__device__ __forceinline__ uint32_t to_tf32(float x) {
#if defined(LAMINA_EMULATE)
  return (float_bits(x) + 0x1000u) & ~0x1fffu;
#elif defined(__CUDA_ARCH__)
  uint32_t y;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
  return y;
#else
  return 0;
#endif
}

#if defined(__CUDA_ARCH__)
#define LAMINA_MMA(shape_and_types)                                               \
  asm volatile("mma.sync.aligned." shape_and_types                                \
               " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" \
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                   \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
#endif

// d (16 x 8) += a (16 x 8) b (8 x 8).
__device__ __forceinline__ void mma_tf32(float (&d)[4], const uint32_t (&a)[4],
                                         const uint32_t (&b)[2]) {
#if defined(LAMINA_EMULATE)
  emulate::mma(emulate::MmaType::tf32, d, a, b);
#elif defined(__CUDA_ARCH__)
  LAMINA_MMA("m16n8k8.row.col.f32.tf32.tf32.f32");
#endif
}

// d (16 x 8) += a (16 x 16) b (16 x 8), two elements a register.
__device__ __forceinline__ void mma_bf16(float (&d)[4], const uint32_t (&a)[4],
                                         const uint32_t (&b)[2]) {
#if defined(LAMINA_EMULATE)
  emulate::mma(emulate::MmaType::bf16, d, a, b);
#elif defined(__CUDA_ARCH__)
  LAMINA_MMA("m16n8k16.row.col.f32.bf16.bf16.f32");
#endif
}
__device__ __forceinline__ void mma_f16(float (&d)[4], const uint32_t (&a)[4],
                                        const uint32_t (&b)[2]) {
#if defined(LAMINA_EMULATE)
  emulate::mma(emulate::MmaType::f16, d, a, b);
#elif defined(__CUDA_ARCH__)
  LAMINA_MMA("m16n8k16.row.col.f32.f16.f16.f32");
#endif
}

// Four 8 x 8 matrices of 16-bit elements from shared memory: lane 8 i + r gives the address of row r
// of matrix i, and gets of each matrix two neighbours of row lane / 4 from column 2 (lane % 4) on;
// `transposed`: of column lane / 4 from that row on.
template <bool transposed>
__device__ __forceinline__ void load_matrices(uint32_t (&to)[4], const void* row) {
#if defined(LAMINA_EMULATE)
  emulate::load_matrices(to, row, transposed);
#elif defined(__CUDA_ARCH__)
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  if constexpr (transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(address)
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(address)
                 : "memory");
#endif
}

}  // namespace lamina::cuda

// Compiler attributes shared by every room.
#pragma once

// Code in a header that instruction-set files include must be inlined, or live in their own
// namespace: an out-of-line copy built for AVX-512 could otherwise be the one that the linker keeps
// for everybody.
#if defined(__CUDACC__)
#define LAMINA_INLINE __host__ __device__ inline __attribute__((always_inline))
#else
#define LAMINA_INLINE inline __attribute__((always_inline))
#endif

// How nvcc is to unroll the loop that follows; the host compiler decides by itself.
//   LAMINA_UNROLL  in full: its arrays must be registers
//   LAMINA_ROLLED  not at all: copies of its body would spill registers
#pragma once

#if defined(__CUDACC__)
#define LAMINA_UNROLL _Pragma("unroll")
#define LAMINA_ROLLED _Pragma("unroll 1")
#else
#define LAMINA_UNROLL
#define LAMINA_ROLLED
#endif

// Products of a warpgroup (wgmma, sm_90a): d (64 x columns) += a (64 x 16) b (16 x columns) of 16-bit
// floats, read by the tensor cores from tiles in shared memory (SwizzledTile) while threads go on.
//
// Thread t of the group holds of d, in d[i], row t / 32 * 16 + t % 32 / 4 + i / 2 % 2 * 8 and column
// i / 4 * 8 + t % 4 * 2 + i % 2.  Between begin_products() and the wait for them nobody may touch d,
// or write what they read.
#pragma once

#include "core/half.h"
#include "cuda/sm90.h"
#include "cuda/unroll.h"

#if defined(LAMINA_EMULATE)
#include "cuda/emulate/wgmma.h"
#endif

namespace lamina::cuda {

// Says where 64 or more lines' 128 bytes lie in shared memory, in chunks swizzled as copy_box() does:
// eight lines are 1024 bytes and follow each other; `panels` are bytes apart, where lines are
// depths and 64 sides are a panel.
__device__ __forceinline__ uint64_t describe_tile(const void* shared, unsigned panels) {
#if defined(LAMINA_EMULATE)
  const unsigned start = emulate::shared_address(shared);
#elif LAMINA_SM90_CODE
  const unsigned start = shared_address(shared);
#else
  const unsigned start = 0;
#endif
  constexpr uint64_t kEightLines = 1024 >> 4, kSwizzle128 = 1;
  return uint64_t{start >> 4 & 0x3fff} | uint64_t{panels >> 4 & 0x3fff} << 16 | kEightLines << 32 |
         kSwizzle128 << 62;
}

// Registers of d, and tiles that fences have shown, may be used by the products that follow.
__device__ __forceinline__ void begin_products() {
#if defined(LAMINA_EMULATE)
  emulate::begin_products();
#elif LAMINA_SM90_CODE
  asm volatile("wgmma.fence.sync.aligned;" : : : "memory");
#endif
}

// Ends a group: the products since the last one.
__device__ __forceinline__ void commit_products() {
#if defined(LAMINA_EMULATE)
  emulate::commit_products();
#elif LAMINA_SM90_CODE
  asm volatile("wgmma.commit_group.sync.aligned;" : : : "memory");
#endif
}

// Waits until at most `groups` are under way.
template <int groups>
__device__ __forceinline__ void wait_products() {
#if defined(LAMINA_EMULATE)
  emulate::wait_products(groups);
#elif LAMINA_SM90_CODE
  asm volatile("wgmma.wait_group.sync.aligned %0;" : : "n"(groups) : "memory");
#endif
}

// Keeps the compiler from moving reads and writes of d across this place: it does not know that
// products run behind its back.
template <int size>
__device__ __forceinline__ void hold_registers([[maybe_unused]] float (&d)[size]) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  LAMINA_UNROLL
  for (int i = 0; i < size; ++i) asm volatile("" : "+f"(d[i]) : : "memory");
#endif
}

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define LAMINA_D8(i)                                                                          \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), \
      "+f"(d[i + 6]), "+f"(d[i + 7])
#define LAMINA_D32(i) LAMINA_D8(i), LAMINA_D8(i + 8), LAMINA_D8(i + 16), LAMINA_D8(i + 24)
#define LAMINA_REGISTERS_32                                                          \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, " \
  "%18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define LAMINA_REGISTERS_64                                                          \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, " \
  "%18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, " \
  "%34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, " \
  "%50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define LAMINA_REGISTERS_128                                                             \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, "     \
  "%18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, "     \
  "%34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, "     \
  "%50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, %64, %65, "     \
  "%66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, "     \
  "%82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, %96, %97, "     \
  "%98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "   \
  "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, " \
  "%126, %127"
// Accumulates (scale-d), without negation; the last two say which operands lie along their sides.
#define LAMINA_WGMMA(type, columns, registers, a, b, ta, tb, ...)                                  \
  asm volatile(                                                                                    \
      "{\n.reg .pred p;\nsetp.eq.u32 p, 0, 0;\n"                                                   \
      "wgmma.mma_async.sync.aligned.m64n" columns "k16.f32." type "." type " {" registers "}, %" a \
      ", %" b ", p, 1, 1, %" ta ", %" tb ";\n}"                                                    \
      : __VA_ARGS__                                                                                \
      : "l"(a_tile), "l"(b_tile), "n"(a_along_side), "n"(b_along_side)                             \
      : "memory")
#define LAMINA_WGMMA_COLUMNS(type)                                                             \
  if constexpr (columns == 64)                                                                 \
    LAMINA_WGMMA(type, "64", LAMINA_REGISTERS_32, "32", "33", "34", "35", LAMINA_D32(0));      \
  else if constexpr (columns == 128)                                                           \
    LAMINA_WGMMA(type, "128", LAMINA_REGISTERS_64, "64", "65", "66", "67", LAMINA_D32(0),      \
                 LAMINA_D32(32));                                                              \
  else                                                                                         \
    LAMINA_WGMMA(type, "256", LAMINA_REGISTERS_128, "128", "129", "130", "131", LAMINA_D32(0), \
                 LAMINA_D32(32), LAMINA_D32(64), LAMINA_D32(96))
#endif

// Starts a product.  An operand along its side has lines that are 16 depths, of 64 sides a panel; the
// other has lines that are sides, of which it reads 16 depths.
template <class T, int columns, bool a_along_side, bool b_along_side>
__device__ __forceinline__ void start_product([[maybe_unused]] float (&d)[columns / 2],
                                              [[maybe_unused]] uint64_t a_tile,
                                              [[maybe_unused]] uint64_t b_tile) {
  static_assert(columns == 64 || columns == 128 || columns == 256);
  constexpr bool kBfloat16 = __is_same(T, bfloat16);
#if defined(LAMINA_EMULATE)
  emulate::start_product({d, columns, a_tile, b_tile, a_along_side, b_along_side, kBfloat16});
#elif LAMINA_SM90_CODE
  if constexpr (kBfloat16) {
    LAMINA_WGMMA_COLUMNS("bf16");
  } else {
    LAMINA_WGMMA_COLUMNS("f16");
  }
#else
  static_cast<void>(kBfloat16);
#endif
}

#undef LAMINA_D8
#undef LAMINA_D32
#undef LAMINA_REGISTERS_32
#undef LAMINA_REGISTERS_64
#undef LAMINA_REGISTERS_128
#undef LAMINA_WGMMA
#undef LAMINA_WGMMA_COLUMNS

}  // namespace lamina::cuda

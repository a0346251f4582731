// Triangles of matrices: each row is a run of copied elements and a run of zeros.  Bound by bytes:
// a read and a write.
#include "kernels/rearrange.h"

#include "core/parallel.h"
#include "cpu/loop.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::Triangle;

LAMINA_INLINE int64_t clamp(int64_t x, int64_t low, int64_t high) {
  return x < low ? low : x > high ? high : x;
}

void triangle(const Triangle& t) {
  const int64_t n = t.columns, size = t.itemsize;
  const int64_t grain = n < kLoopGrain ? kLoopGrain / n : 1;
  parallel_for(t.batch * t.rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t i = r % t.rows;
      // Row i keeps columns [first, last).
      const int64_t first = t.upper ? clamp(i + t.diagonal, 0, n) : 0;
      const int64_t last = t.upper ? n : clamp(i + t.diagonal + 1, 0, n);
      char* out = static_cast<char*>(t.out) + r * n * size;
      const char* src = static_cast<const char*>(t.src) + r * n * size;
      __builtin_memset(out, 0, static_cast<size_t>(first * size));
      __builtin_memcpy(out + first * size, src + first * size,
                       static_cast<size_t>((last - first) * size));
      __builtin_memset(out + last * size, 0, static_cast<size_t>((n - last) * size));
    }
  });
}

}  // namespace

LAMINA_CPU_KERNELS(Rearrange, rearrange){&triangle};

}  // namespace lamina::cpu::LAMINA_ISA

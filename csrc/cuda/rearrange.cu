// Triangles of matrices.  A thread moves up to 16 bytes of a row, or one element where rows do not
// fall into such packs.  Bound by bytes: a read of what is kept and a write, 6 bytes an element of
// a square float32 matrix: 1e8 elements in 0.14 ms at the 4.3 TB/s that an H200 copies.  Compiled
// and emulated, not yet run on a device.
#include "cuda/launch.h"
#include "kernels/rearrange.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using kernels::Triangle;

constexpr int kThreads = 256;

template <class T, int pack>
struct alignas(sizeof(T) * pack) Elements {
  T v[pack];
};

template <class T, int pack>
__global__ void __launch_bounds__(kThreads)
    triangle_kernel(const Triangle t, const Elements<T, pack>* src, Elements<T, pack>* out) {
  const int64_t a_row = t.columns / pack, thread = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const int64_t r = thread / a_row;
  if (r >= t.batch * t.rows) return;
  const int64_t i = r % t.rows, first = (thread - r * a_row) * pack;
  const int64_t least = t.upper ? i + t.diagonal : INT64_MIN;
  const int64_t most = t.upper ? INT64_MAX : i + t.diagonal;  // columns that stay
  Elements<T, pack> moved{};
  if (first + pack > least && first <= most) {
    moved = src[thread];
    for (int k = 0; k < pack; ++k)
      if (first + k < least || first + k > most) moved.v[k] = T{};
  }
  out[thread] = moved;
}

template <class T, int pack>
void launch_packs(const Triangle& t) {
  const int64_t threads = t.batch * t.rows * (t.columns / pack);
  launch(&triangle_kernel<T, pack>, blocks_for(threads, kThreads), kThreads, 0, stream(), t,
         static_cast<const Elements<T, pack>*>(t.src), static_cast<Elements<T, pack>*>(t.out));
}

template <class T>
void triangle_as(const Triangle& t) {
  constexpr int kPack = 16 / sizeof(T);
  const auto aligned = [](const void* data) { return reinterpret_cast<uintptr_t>(data) % 16 == 0; };
  if (t.columns % kPack == 0 && aligned(t.src) && aligned(t.out)) return launch_packs<T, kPack>(t);
  launch_packs<T, 1>(t);
}

void triangle(const Triangle& t) {
  switch (t.itemsize) {
    case 1:
      return triangle_as<uint8_t>(t);
    case 2:
      return triangle_as<uint16_t>(t);
    case 4:
      return triangle_as<uint32_t>(t);
    default:
      return triangle_as<uint64_t>(t);
  }
}

}  // namespace

LAMINA_CUDA_KERNELS(Rearrange, rearrange){&triangle};

}  // namespace lamina::cuda

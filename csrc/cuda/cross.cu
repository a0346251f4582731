// out = a x b: out_i = a_j b_k - a_k b_j for (i, j, k) each rotation of (0, 1, 2).  A thread
// computes a vector.  Bound by bytes: 36 a vector in float32, two read and one written, 8.4 us a
// million at the 4.3 TB/s that an H200 copies; components that lie together are read by three loads
// a warp that share their sectors.  Compiled and emulated, not yet run on a device.
#include "cuda/loops.h"
#include "kernels/cross.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using kernels::CrossProduct;

constexpr int kThreads = 256;

struct Components {
  int64_t out, a, b;  // from one component to the next
};

template <class T>
__global__ void __launch_bounds__(kThreads)
    cross_kernel(const Walk<3> vectors, const Components step, T* out, const T* a, const T* b) {
  const unsigned i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= vectors.n) return;
  int64_t at[3];
  vectors.offsets(i, at);
  out += at[0];
  a += at[1];
  b += at[2];
  const T a0 = a[0], a1 = a[step.a], a2 = a[2 * step.a];
  const T b0 = b[0], b1 = b[step.b], b2 = b[2 * step.b];
  out[0] = a1 * b2 - a2 * b1;
  out[step.out] = a2 * b0 - a0 * b2;
  out[2 * step.out] = a0 * b1 - a1 * b0;
}

template <class T>
void multiply(const CrossProduct& p) {
  const Components step{p.component[0], p.component[1], p.component[2]};
  for_parts(p.vectors, {sizeof(T), sizeof(T), sizeof(T)}, [&](const kernels::Loop<3>& part) {
    const Walk<3> vectors(part);
    launch(&cross_kernel<T>, blocks_for(vectors.n, kThreads), kThreads, 0, stream(), vectors, step,
           static_cast<T*>(part.data[0]), static_cast<const T*>(part.data[1]),
           static_cast<const T*>(part.data[2]));
  });
}

void multiply_vectors(const CrossProduct& p) {
  if (p.dtype == DType::float32) return multiply<float>(p);
  if (p.dtype == DType::float64) return multiply<double>(p);
  multiply<uint64_t>(p);  // integers wrap
}

}  // namespace

LAMINA_CUDA_KERNELS(Cross, cross){&multiply_vectors};

}  // namespace lamina::cuda

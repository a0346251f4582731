// The positions of a mask's set elements, and of repeated ones.
//
// A block takes a chunk of the mask, a thread 32 elements of it as bits; a running sum over the
// block says where each writes its positions.  Bound by bytes: the mask is read twice, to count and
// to write, 2 bytes an element, and 8 a set element and dimension are written; 1e8 elements of
// which a tenth is set, one dimension: 0.28 GB, 65 us at the 4.3 TB/s that an H200 copies.
// Compiled and emulated, not yet run on a device.
#include "cuda/block_scan.h"
#include "cuda/indexing.h"
#include "cuda/read_back.h"
#include "cuda/reduce.h"
#include "cuda/scan.h"

namespace lamina::cuda {
namespace {

using kernels::kMaskChunk;

constexpr int kThreads = 256;

constexpr int kMaskThreads = 1024, kMaskItems = 32;
static_assert(kMaskThreads * kMaskItems == kMaskChunk);

// This thread's elements of the chunk that are set, as bits.
__device__ __forceinline__ unsigned set_bits(const uint8_t* mask, int64_t n, int64_t first) {
  unsigned bits = 0;
  if (first + kMaskItems <= n && reinterpret_cast<uintptr_t>(mask) % sizeof(Quad) == 0) {
    const Quad* quads = reinterpret_cast<const Quad*>(mask + first);
    for (int q = 0; q < 2; ++q) {
      const Quad quad = quads[q];
      for (int w = 0; w < kPack; ++w)
        for (int b = 0; b < 4; ++b)
          bits |= unsigned{(quad.v[w] >> (8 * b) & 0xff) != 0} << (16 * q + 4 * w + b);
    }
    return bits;
  }
  for (int i = 0; i < kMaskItems; ++i)
    if (first + i < n && mask[first + i]) bits |= 1u << i;
  return bits;
}

__global__ void __launch_bounds__(kMaskThreads)
    count_kernel(const uint8_t* mask, int64_t n, int64_t* counts) {
  LAMINA_SHARED(int, warps, [kMaskThreads / kWarpSize]);
  const int64_t first = blockIdx.x * kMaskChunk + threadIdx.x * kMaskItems;
  const int set = block_reduce<kMaskThreads>(__popc(set_bits(mask, n, first)), warps,
                                             [](int a, int b) { return a + b; });
  if (threadIdx.x == 0) counts[blockIdx.x] = set;
}

struct Coordinates {
  int rank;
  int64_t shape[kernels::kMaxLoopRank], weight[kernels::kMaxLoopRank];
};

__global__ void __launch_bounds__(kMaskThreads)
    nonzero_kernel(const uint8_t* mask, int64_t n, const Coordinates c, const int64_t* starts,
                   int64_t* out, int64_t stride) {
  LAMINA_SHARED(int, warps, [kMaskThreads / kWarpSize]);
  const int64_t first = blockIdx.x * kMaskChunk + threadIdx.x * kMaskItems;
  unsigned bits = set_bits(mask, n, first);
  const int before =
      block_scan<kMaskThreads>(__popc(bits), 0, warps, [](int a, int b) { return a + b; }).before;
  for (int64_t k = starts[blockIdx.x] + before; bits; ++k, bits &= bits - 1) {
    int64_t rest = first + __ffs(static_cast<int>(bits)) - 1, sum = 0;
    for (int d = c.rank - 1; d >= 0; --d) {
      const int64_t next = d > 0 ? rest / c.shape[d] : 0;
      sum += (rest - next * c.shape[d]) * c.weight[d];
      rest = next;
    }
    out[k * stride] = sum;
  }
}

__global__ void __launch_bounds__(kThreads)
    exclude_kernel(int64_t n, const int64_t* counts, int64_t* sums) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < n) sums[i] -= counts[i];
}

// A warp writes the positions of one count.
__global__ void __launch_bounds__(kThreads)
    repeat_kernel(const int64_t* counts, const int64_t* starts, int64_t n, int64_t* out) {
  const int64_t i = (int64_t{blockIdx.x} * kThreads + threadIdx.x) / kWarpSize;
  if (i >= n) return;
  for (int64_t k = threadIdx.x % kWarpSize; k < counts[i]; k += kWarpSize) out[starts[i] + k] = i;
}

}  // namespace

void count_set(const uint8_t* mask, int64_t n, int64_t* counts) {
  if (n > 0)
    launch(&count_kernel, blocks_for(n, kMaskChunk), kMaskThreads, 0, stream(), mask, n, counts);
}

void list_set(const uint8_t* mask, int rank, const int64_t* shape, const int64_t* weight,
              const int64_t* starts, int64_t* out, int64_t stride) {
  Coordinates c{rank, {}, {}};
  int64_t n = 1;
  for (int d = 0; d < rank; ++d) {
    c.shape[d] = shape[d];
    c.weight[d] = weight[d];
    n *= shape[d];
  }
  launch(&nonzero_kernel, blocks_for(n, kMaskChunk), kMaskThreads, 0, stream(), mask, n, c, starts,
         out, stride);
}

int64_t prefix_sums(const int64_t* counts, int64_t n, int64_t* starts) {
  if (n == 0) return 0;
  running_sum(counts, n, starts);
  const int64_t total = read_back(starts + n - 1);
  launch(&exclude_kernel, blocks_for(n, kThreads), kThreads, 0, stream(), n, counts, starts);
  return total;
}

void repeat_positions(const int64_t* counts, const int64_t* starts, int64_t n, int64_t* out) {
  if (n > 0)
    launch(&repeat_kernel, blocks_for(n, kThreads / kWarpSize), kThreads, 0, stream(), counts,
           starts, n, out);
}

}  // namespace lamina::cuda

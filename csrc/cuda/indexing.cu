// Gather through integer positions, and what positions are made of.
//
// A gather takes an element a thread; rows that lie together move as elements of up to 16 bytes.
// Bound by bytes where rows are long: each is read and written once, with 8 bytes of position;
// 100,000 rows of 512 float32 are 410 MB, 95 us at the 4.3 TB/s that an H200 copies.  Where rows
// are short, by the sectors of random elements: 32 bytes read for each of fewer.  Compiled and
// emulated, not yet run on a device.
#include "cuda/indexing.h"
#include "cuda/loops.h"
#include "cuda/read_back.h"
#include "cuda/reduce.h"
#include "cuda/scratch.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using kernels::Loop;
using kernels::Positions;

constexpr int kThreads = 256;

template <class T>
__global__ void __launch_bounds__(kThreads)
    gather_kernel(const Walk<3> walk, const Steps steps, T* out, const T* src,
                  const int64_t* index) {
  const unsigned i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= walk.n) return;
  int64_t at[3], place;
  walk.offsets(i, at);
  out[at[0]] = steps.place(index[at[2]], &place) ? src[at[1] + place] : T{};
}

void gather(size_t itemsize, const Loop<3>& given, const Positions& given_positions) {
  Loop<3> loop = given;
  Positions positions = given_positions;
  visit_size(widen(itemsize, loop, positions.scale), [&](auto tag) {
    using T = decltype(tag);
    for_parts(loop, {sizeof(T), sizeof(T), sizeof(int64_t)}, [&](const Loop<3>& part) {
      const Walk<3> walk(part);
      launch(&gather_kernel<T>, blocks_for(walk.n, kThreads), kThreads, 0, stream(), walk,
             Steps(positions), static_cast<T*>(part.data[0]), static_cast<const T*>(part.data[1]),
             static_cast<const int64_t*>(part.data[2]));
    });
  });
}

__global__ void __launch_bounds__(kThreads)
    places_kernel(const Walk<2> walk, const Steps steps, bool add, int64_t* places,
                  const int64_t* index) {
  const unsigned i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= walk.n) return;
  int64_t at[2], place;
  walk.offsets(i, at);
  if (!steps.place(index[at[1]], &place)) place = 0;
  places[at[0]] = add ? places[at[0]] + place : place;
}

void places(const Loop<2>& loop, const Positions& positions, bool add) {
  for_parts(loop, {sizeof(int64_t), sizeof(int64_t)}, [&](const Loop<2>& part) {
    const Walk<2> walk(part);
    launch(&places_kernel, blocks_for(walk.n, kThreads), kThreads, 0, stream(), walk,
           Steps(positions), add, static_cast<int64_t*>(part.data[0]),
           static_cast<const int64_t*>(part.data[1]));
  });
}

struct Extent {
  int64_t low, high;
};

__device__ __forceinline__ Extent join(Extent a, Extent b) {
  return {a.low < b.low ? a.low : b.low, a.high > b.high ? a.high : b.high};
}

constexpr unsigned kExtentBlocks = 256;

__global__ void __launch_bounds__(kThreads)
    extent_kernel(const Walk<1> walk, const int64_t* index, Extent* parts) {
  LAMINA_SHARED(Extent, warps, [kThreads / kWarpSize]);
  Extent mine{INT64_MAX, INT64_MIN};
  for (unsigned i = blockIdx.x * kThreads + threadIdx.x; i < walk.n; i += gridDim.x * kThreads) {
    int64_t at[1];
    walk.offsets(i, at);
    mine = join(mine, {index[at[0]], index[at[0]]});
  }
  mine = block_reduce<kThreads>(mine, warps, join);
  if (threadIdx.x == 0) parts[blockIdx.x] = mine;
}

__global__ void join_extents_kernel(unsigned n, Extent* parts) {
  Extent all = parts[0];
  for (unsigned i = 1; i < n; ++i) all = join(all, parts[i]);
  parts[0] = all;
}

void extent(const Loop<1>& index, int64_t* low, int64_t* high) {
  *low = INT64_MAX;
  *high = INT64_MIN;
  const DeviceScratch parts(kExtentBlocks * sizeof(Extent));
  for_parts(index, {sizeof(int64_t)}, [&](const Loop<1>& part) {
    const Walk<1> walk(part);
    const unsigned wanted = blocks_for(walk.n, kThreads);
    const unsigned blocks = wanted < kExtentBlocks ? wanted : kExtentBlocks;
    launch(&extent_kernel, blocks, kThreads, 0, stream(), walk,
           static_cast<const int64_t*>(part.data[0]), parts.as<Extent>());
    launch(&join_extents_kernel, 1, 1, 0, stream(), blocks, parts.as<Extent>());
    const Extent found = read_back(parts.as<Extent>());
    *low = found.low < *low ? found.low : *low;
    *high = found.high > *high ? found.high : *high;
  });
}

}  // namespace

LAMINA_CUDA_KERNELS(Indexing, indexing){&extent,    &places,   &gather,      &scatter_elements,
                                        &count_set, &list_set, &prefix_sums, &repeat_positions};

}  // namespace lamina::cuda

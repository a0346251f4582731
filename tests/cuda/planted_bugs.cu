// Kernels with one mistake each, which the emulator must find: -DBUG_... plants it.  Each kernel is
// right without, and covers one thing that the emulator checks.  tests/test_cuda_emulator.py builds
// and runs them.
#include <cstdio>
#include <cstring>
#include <exception>
#include <vector>

#include "cuda/async_copy.h"
#include "cuda/cooperative.h"
#include "cuda/launch.h"
#include "cuda/reduce.h"

namespace lamina::cuda {

// Only what launch.h needs of the runtime, which this program does not link.
int active_device() { return 0; }
void fail_call(cudaError_t, const char*) { std::terminate(); }

namespace {

constexpr int kThreads = 128, kWarps = kThreads / kWarpSize, kBlocks = 3, kN = kThreads * kBlocks;

// y = the elements of each block in reverse, through shared memory.
__global__ void reverse(float* y, const float* x) {
  LAMINA_SHARED(float, tile, [kThreads]);
  const unsigned i = blockIdx.x * kThreads + threadIdx.x;
  tile[threadIdx.x] = x[i];
#ifndef BUG_NO_BARRIER
  __syncthreads();
#endif
  y[i] = tile[kThreads - 1 - threadIdx.x];
}

// Sums of blocks, twice over, with one array for both.
__global__ void sums(float* y, const float* x) {
  LAMINA_SHARED(float, warps, [kWarps]);
  const float value = x[blockIdx.x * kThreads + threadIdx.x];
  const auto add = [](float a, float b) { return a + b; };
  const float first = block_reduce<kThreads>(value, warps, add);
#ifndef BUG_SHARED_REUSED
  __syncthreads();
#endif
  const float second = block_reduce<kThreads>(first + threadIdx.x, warps, add);
  if (threadIdx.x == 0) y[blockIdx.x] = second - first;
}

// y = 2 x through an asynchronous copy.
__global__ void staged(float* y, const float* x) {
  LAMINA_SHARED(float, tile, [kThreads]);
  const unsigned i = blockIdx.x * kThreads + threadIdx.x;
  copy_async_4(&tile[threadIdx.x], x + i);
  commit_async_copies();
#ifndef BUG_NO_WAIT
  wait_async_copies<0>();
#endif
  y[i] = 2 * tile[threadIdx.x];
}

// Sums of warps; the bug leaves half a warp out of an operation of all its lanes.
__global__ void warp_sums(float* y, const float* x) {
  float value = x[blockIdx.x * kThreads + threadIdx.x];
#ifdef BUG_DIVERGENT
  if (threadIdx.x % kWarpSize < 16)
#endif
    value = warp_reduce(value, [](float a, float b) { return a + b; });
  if (threadIdx.x % kWarpSize == 0) y[(blockIdx.x * kThreads + threadIdx.x) / kWarpSize] = value;
}

// A guard that lets one thread too many write.
__global__ void guarded(float* y, const float* x, unsigned n) {
  const unsigned i = blockIdx.x * kThreads + threadIdx.x;
#ifdef BUG_BOUNDS
  if (i > n) return;
#else
  if (i >= n) return;
#endif
  y[i] = 2 * x[i];
}

// Counts with every thread at one place.
__global__ void count(int* y) {
#ifdef BUG_NO_ATOMIC
  *y += 1;
#else
  atomicAdd(y, 1);
#endif
}

// Shared memory that only half of the block has written.
__global__ void half_written(float* y, const float* x) {
  LAMINA_SHARED(float, tile, [kThreads]);
#ifdef BUG_NOT_WRITTEN
  if (threadIdx.x < kThreads / 2)
#endif
    tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x ^ 1];
}

// Each block doubles its own elements and then adds those of the block after it, in place.
__global__ void neighbouring_blocks(float* y, const float* x, GridBarrier barrier) {
  const unsigned i = blockIdx.x * kThreads + threadIdx.x, other = (i + kThreads) % kN;
  y[i] = 2 * x[i];
#ifdef BUG_NO_GRID_BARRIER
  __syncthreads();
#else
  barrier.wait(1);
#endif
  const float sum = y[i] + y[other];
#ifndef BUG_NO_SECOND_GRID_BARRIER
  barrier.wait(2);
#endif
  y[i] = sum;
}

struct DeviceArray {
  float* data;
  explicit DeviceArray(size_t n) { cudaMalloc(reinterpret_cast<void**>(&data), n * sizeof(float)); }
  ~DeviceArray() { cudaFree(data); }
};

bool same(const char* what, const DeviceArray& y, const std::vector<float>& want) {
  std::vector<float> got(want.size());
  cudaMemcpyAsync(got.data(), y.data, want.size() * sizeof(float), cudaMemcpyDefault, nullptr);
  if (std::memcmp(got.data(), want.data(), want.size() * sizeof(float)) == 0) return true;
  std::printf("%s: WRONG\n", what);
  return false;
}

template <class Kernel, class... A>
void run(Kernel kernel, unsigned blocks, const A&... arguments) {
  launch(kernel, blocks, kThreads, 0, nullptr, arguments...);
}

bool all() {
  std::vector<float> x(kN);
  for (int i = 0; i < kN; ++i) x[static_cast<size_t>(i)] = static_cast<float>(i % 7 + 1);
  const auto at = [&](int i) { return x[static_cast<size_t>(i)]; };
  DeviceArray in(kN);
  cudaMemcpyAsync(in.data, x.data(), kN * sizeof(float), cudaMemcpyDefault, nullptr);
  const float* source = in.data;
  bool ok = true;

  std::vector<float> reversed, doubled, block_sums, of_warps, neighbours, blocks_summed;
  for (int i = 0; i < kN; ++i) {
    const int block = i / kThreads * kThreads;
    reversed.push_back(at(block + kThreads - 1 - i % kThreads));
    doubled.push_back(2 * at(i));
    blocks_summed.push_back(2 * at(i) + 2 * at((i + kThreads) % kN));
  }
  for (int b = 0; b < kBlocks; ++b) {
    float sum = 0;
    for (int i = 0; i < kThreads; ++i) sum += at(b * kThreads + i);
    block_sums.push_back(sum * kThreads + kThreads * (kThreads - 1) / 2 - sum);
  }
  for (int w = 0; w < kBlocks * kWarps; ++w) {
    float sum = 0;
    for (unsigned i = 0; i < kWarpSize; ++i)
      sum += at(w * static_cast<int>(kWarpSize + 0u) + static_cast<int>(i));
    of_warps.push_back(sum);
  }
  for (int i = 0; i < kThreads; ++i) neighbours.push_back(at(i ^ 1));

  DeviceArray y(kN), few(kN - 5), counter(1);
  run(&reverse, kBlocks, y.data, source);
  ok &= same("reverse", y, reversed);
  run(&sums, kBlocks, y.data, source);
  ok &= same("sums", y, block_sums);
  run(&staged, kBlocks, y.data, source);
  ok &= same("staged", y, doubled);
  run(&warp_sums, kBlocks, y.data, source);
  ok &= same("warp_sums", y, of_warps);
  run(&half_written, 1, y.data, source);
  ok &= same("half_written", y, neighbours);
  run(&guarded, kBlocks, few.data, source, static_cast<unsigned>(kN - 5));
  ok &= same("guarded", few, {doubled.begin(), doubled.end() - 5});
  cudaMemsetAsync(counter.data, 0, sizeof(int), nullptr);
  const GridBarrier barrier{reinterpret_cast<unsigned*>(counter.data)};
#ifdef BUG_NOT_COOPERATIVE
  run(&neighbouring_blocks, kBlocks, y.data, source, barrier);
#else
  launch_cooperative(&neighbouring_blocks, kBlocks, kThreads, 0, nullptr, y.data, source, barrier);
#endif
  ok &= same("neighbouring_blocks", y, blocks_summed);
  cudaMemsetAsync(counter.data, 0, sizeof(int), nullptr);
  run(&count, kBlocks, reinterpret_cast<int*>(counter.data));
  int counted = 0;
  cudaMemcpyAsync(&counted, counter.data, sizeof counted, cudaMemcpyDefault, nullptr);
  if (counted != kN) std::printf("count: WRONG\n");
  return ok && counted == kN;
}

}  // namespace
}  // namespace lamina::cuda

int main() {
  try {
    return lamina::cuda::all() ? 0 : 1;
  } catch (const std::exception& error) {
    std::printf("%s\n", error.what());
    return 1;
  }
}

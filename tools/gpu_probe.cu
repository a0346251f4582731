// What a device can do at most, as kernels of ours see it: bytes copied a second, and multiply-adds of
// tensor cores by mma.sync.  Compiled and run by tools/gpu_check.sh; prints a line each.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "cuda/mma.h"

namespace lamina::cuda {

// Only what launch.h needs of the runtime, which this program does not link.
int active_device() { return 0; }
void fail_call(cudaError_t error, const char* call) {
  std::printf("%s: %s\n", call, cudaGetErrorString(error));
  std::exit(1);
}

namespace {

constexpr int kThreads = 256, kRounds = 7, kProducts = 4096, kSums = 8;

__global__ void __launch_bounds__(kThreads) copy_kernel(float4* to, const float4* from, int64_t n) {
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += int64_t{gridDim.x} * kThreads)
    to[i] = from[i];
}

// Products of registers, kSums independent sums a warp.
__global__ void __launch_bounds__(kThreads) multiply_kernel(float* out) {
  float sums[kSums][4] = {};
  uint32_t a[4], b[2];
  for (uint32_t& v : a) v = 0x3c003c00u + threadIdx.x;
  for (uint32_t& v : b) v = 0x3c003c00u;
  for (int i = 0; i < kProducts / kSums; ++i)
    for (int k = 0; k < kSums; ++k) mma_bf16(sums[k], a, b);
  float total = 0;
  for (int k = 0; k < kSums; ++k) total += sums[k][0] + sums[k][1] + sums[k][2] + sums[k][3];
  out[int64_t{blockIdx.x} * kThreads + threadIdx.x] = total;
}

// The least milliseconds of several runs.
template <class F>
double least(F work) {
  cudaEvent_t start, end;
  LAMINA_CUDA_CHECK(cudaEventCreateWithFlags(&start, cudaEventDefault));
  LAMINA_CUDA_CHECK(cudaEventCreateWithFlags(&end, cudaEventDefault));
  double best = 1e30;
  for (int i = 0; i < kRounds; ++i) {
    LAMINA_CUDA_CHECK(cudaEventRecord(start, nullptr));
    work();
    LAMINA_CUDA_CHECK(cudaEventRecord(end, nullptr));
    LAMINA_CUDA_CHECK(cudaEventSynchronize(end));
    float milliseconds;
    LAMINA_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, start, end));
    best = std::min<double>(best, milliseconds);
  }
  return best;
}

void probe() {
  LAMINA_CUDA_CHECK(cudaSetDevice(0));
  cudaDeviceProp properties;
  LAMINA_CUDA_CHECK(cudaGetDeviceProperties(&properties, 0));
  const auto blocks = static_cast<unsigned>(properties.multiProcessorCount) * 8;
  const size_t bytes = std::min<size_t>(size_t{1} << 30, properties.totalGlobalMem / 8);
  float4 *from, *to;
  LAMINA_CUDA_CHECK(cudaMalloc(reinterpret_cast<void**>(&from), bytes));
  LAMINA_CUDA_CHECK(cudaMalloc(reinterpret_cast<void**>(&to), bytes));
  LAMINA_CUDA_CHECK(cudaMemsetAsync(from, 0, bytes, nullptr));
  const auto n = static_cast<int64_t>(bytes / sizeof(float4));
  const double copying = least([&] {
    launch(&copy_kernel, blocks, kThreads, 0, nullptr, to, static_cast<const float4*>(from), n);
  });
  const double multiplying = least([&] {
    launch(&multiply_kernel, blocks, kThreads, 0, nullptr, reinterpret_cast<float*>(to));
  });
  const double products = static_cast<double>(blocks) * (kThreads / 32) * kProducts;
  std::printf("copy: %.0f GB/s, read and written\n", 2e-6 * static_cast<double>(bytes) / copying);
  std::printf("mma.sync bf16: %.0f TFLOP/s\n", products * 2 * 16 * 8 * 16 / multiplying / 1e9);
  LAMINA_CUDA_CHECK(cudaFree(from));
  LAMINA_CUDA_CHECK(cudaFree(to));
}

}  // namespace
}  // namespace lamina::cuda

int main() { lamina::cuda::probe(); }

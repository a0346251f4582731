// Every wrapper of an instruction against its definition.  The kernels make fragments by the
// formulas of the PTX ISA; results are compared with plain loops.  Built with the host compiler it
// checks the emulator, with nvcc and on a device that we have understood the instruction:
//   tests/test_cuda_emulator.py, tools/gpu_check.sh
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <vector>

#include "core/half.h"
#include "cuda/async_copy.h"
#include "cuda/cooperative.h"
#include "cuda/mma.h"
#include "cuda/reduce.h"

namespace lamina::cuda {

// Only what launch.h needs of the runtime, which this program does not link.
int active_device() { return 0; }
void fail_call(cudaError_t error, const char* call) {
  std::printf("%s: %s\n", call, cudaGetErrorString(error));
  std::exit(1);
}

namespace {

constexpr int kRows = 16, kColumns = 8;

// A 16-bit type's bits of a small whole number, which all types hold.
template <class T>
__device__ uint32_t bits_of(float x) {
  return T(x).bits;
}

// d = a (16 x depth) b (depth x 8) by one instruction.
template <class T>
__global__ void multiply(float* d, const float* a, const float* b) {
  const int group = static_cast<int>(threadIdx.x) / 4, in_group = static_cast<int>(threadIdx.x) % 4;
  float sum[4] = {0, 0, 0, 0};
  uint32_t ar[4], br[2];
  if constexpr (sizeof(T) == 4) {  // m16n8k8
    for (int i = 0; i < 4; ++i)
      ar[i] = to_tf32(a[(group + (i & 1) * 8) * 8 + in_group + (i >> 1) * 4]);
    for (int i = 0; i < 2; ++i) br[i] = to_tf32(b[(in_group + i * 4) * kColumns + group]);
    mma_tf32(sum, ar, br);
  } else {  // m16n8k16
    for (int i = 0; i < 4; ++i) {
      const float* from = a + (group + (i & 1) * 8) * 16 + in_group * 2 + (i >> 1) * 8;
      ar[i] = bits_of<T>(from[0]) | bits_of<T>(from[1]) << 16;
    }
    for (int i = 0; i < 2; ++i) {
      const float* from = b + (in_group * 2 + i * 8) * kColumns + group;
      br[i] = bits_of<T>(from[0]) | bits_of<T>(from[kColumns]) << 16;
    }
    if constexpr (__is_same(T, bfloat16))
      mma_bf16(sum, ar, br);
    else
      mma_f16(sum, ar, br);
  }
  for (int i = 0; i < 4; ++i)
    d[(group + (i >> 1) * 8) * kColumns + in_group * 2 + (i & 1)] = sum[i];
}

// y[lane][matrix][0..1]: what each lane gets of four 8 x 8 matrices whose elements are their numbers.
template <bool transposed>
__global__ void load_four(int* y) {
  LAMINA_SHARED(uint16_t, tile, [4 * 8 * 8]);
  for (unsigned i = threadIdx.x; i < 4 * 8 * 8; i += kWarpSize) tile[i] = static_cast<uint16_t>(i);
  __syncwarp();
  uint32_t got[4];
  load_matrices<transposed>(got, tile + threadIdx.x * 8);
  for (int i = 0; i < 4; ++i)
    for (int e = 0; e < 2; ++e)
      y[(threadIdx.x * 4 + static_cast<unsigned>(i)) * 2 + static_cast<unsigned>(e)] =
          static_cast<int>(got[i] >> 16 * e & 0xffffu);
}

__global__ void round_to_tf32(float* y, const float* x) {
  y[threadIdx.x] = bits_float(to_tf32(x[threadIdx.x]));
}

// Each size of copy, in full and with zeros.
__global__ void copy(float* y, const float* x) {
  LAMINA_SHARED(float, tile, [32]);
  if (threadIdx.x == 0) {
    copy_async_16(tile, x);
    copy_async_16(tile + 4, x + 4, 8);
    copy_async_16(tile + 8, x, 0);
    copy_async_8(tile + 12, x + 12);
    copy_async_8(tile + 14, x, false);
    commit_async_copies();
    copy_async_4(tile + 16, x + 16);
    copy_async_4(tile + 17, x, false);
    commit_async_copies();
    wait_async_copies<1>();
    for (int i = 0; i < 16; ++i) y[i] = tile[i];
    wait_async_copies<0>();
    for (int i = 16; i < 18; ++i) y[i] = tile[i];
  }
}

__global__ void sum_of_warp(float* y, const float* x) {
  y[threadIdx.x] = warp_reduce(x[threadIdx.x], [](float a, float b) { return a + b; });
}

// A hundred rounds, in each of which a block reads what another one wrote in the round before.
__global__ void around(float* y, GridBarrier barrier) {
  const unsigned blocks = gridDim.x, lanes = blockDim.x;
  const unsigned mine = blockIdx.x * lanes + threadIdx.x;
  const unsigned other = (blockIdx.x + 1) % blocks * lanes + threadIdx.x;
  y[mine] = static_cast<float>(blockIdx.x);
  for (unsigned round = 1; round <= 100; ++round) {
    barrier.wait(2 * round - 1);
    const float got = y[other];
    barrier.wait(2 * round);
    y[mine] = got + 1;
  }
}

template <class T>
struct DeviceArray {
  T* data = nullptr;
  size_t count;
  explicit DeviceArray(size_t n) : count(n) {
    LAMINA_CUDA_CHECK(cudaMalloc(reinterpret_cast<void**>(&data), n * sizeof(T)));
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    LAMINA_CUDA_CHECK(
        cudaMemcpyAsync(data, values.data(), count * sizeof(T), cudaMemcpyDefault, nullptr));
  }
  ~DeviceArray() { cudaFree(data); }
  std::vector<T> values() const {
    std::vector<T> out(count);
    LAMINA_CUDA_CHECK(
        cudaMemcpyAsync(out.data(), data, count * sizeof(T), cudaMemcpyDefault, nullptr));
    LAMINA_CUDA_CHECK(cudaStreamSynchronize(nullptr));
    return out;
  }
};

template <class T>
bool same(const char* what, const DeviceArray<T>& got, const std::vector<T>& want) {
  if (got.values() == want) return true;
  std::printf("%s: WRONG\n", what);
  return false;
}

template <class Kernel, class... A>
void run(Kernel kernel, const A&... arguments) {
  launch(kernel, 1, kWarpSize, 0, nullptr, arguments...);
}

template <class T>
bool multiplies(const char* what, int depth) {
  std::vector<float> a, b, want;
  for (int i = 0; i < kRows * depth; ++i) a.push_back(static_cast<float>(i * 7 % 23 - 11));
  for (int i = 0; i < depth * kColumns; ++i) b.push_back(static_cast<float>(i * 5 % 19 - 9));
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kColumns; ++j) {
      float sum = 0;
      for (int k = 0; k < depth; ++k)
        sum += a[static_cast<size_t>(i * depth + k)] * b[static_cast<size_t>(k * kColumns + j)];
      want.push_back(sum);
    }
  const DeviceArray<float> a_there(a), b_there(b), d(want.size());
  run(&multiply<T>, d.data, static_cast<const float*>(a_there.data),
      static_cast<const float*>(b_there.data));
  return same(what, d, want);
}

bool loads(bool transposed) {
  std::vector<int> want;
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i)
      for (int e = 0; e < 2; ++e) {
        const int across = lane / 4, along = lane % 4 * 2 + e;
        want.push_back(i * 64 + (transposed ? along * 8 + across : across * 8 + along));
      }
  const DeviceArray<int> got(want.size());
  run(transposed ? &load_four<true> : &load_four<false>, got.data);
  return same(transposed ? "ldmatrix.trans" : "ldmatrix", got, want);
}

bool all() {
  bool ok = multiplies<float>("mma tf32", 8);
  ok &= multiplies<bfloat16>("mma bf16", 16);
  ok &= multiplies<float16>("mma f16", 16);
  ok &= loads(false);
  ok &= loads(true);

  // Halfway cases of either sign go away from zero; below them towards zero, above away.
  std::vector<float> x, rounded;
  const float step = std::ldexp(1.0F, -10);
  for (int i = 0; i < 32; ++i) {
    const float base = 1 + static_cast<float>(i % 8) * step, sign = i % 2 == 0 ? 1.0F : -1.0F;
    const int kind = i / 8;
    const float extra = step * (kind == 0 ? 0.0F : kind == 1 ? 0.499F : kind == 2 ? 0.5F : 0.501F);
    x.push_back(sign * (base + extra));
    rounded.push_back(sign * (kind < 2 ? base : base + step));
  }
  const DeviceArray<float> values(x), y(32);
  run(&round_to_tf32, y.data, static_cast<const float*>(values.data));
  ok &= same("cvt.rna.tf32", y, rounded);

  std::vector<float> copied(x.begin(), x.begin() + 18);
  for (int i : {6, 7, 8, 9, 10, 11, 14, 15, 17}) copied[static_cast<size_t>(i)] = 0;
  const DeviceArray<float> landed(18);
  run(&copy, landed.data, static_cast<const float*>(values.data));
  ok &= same("cp.async", landed, copied);

  std::vector<float> numbers;
  for (int i = 0; i < 32; ++i) numbers.push_back(static_cast<float>(i));
  const DeviceArray<float> numbers_there(numbers), sums(32);
  run(&sum_of_warp, sums.data, static_cast<const float*>(numbers_there.data));
  ok &= same("shfl", sums, std::vector<float>(32, 496));

  constexpr int kBlocks = 4;
  std::vector<float> turned;
  for (int i = 0; i < kBlocks * 64; ++i)
    turned.push_back(static_cast<float>((i / 64 + 100) % kBlocks + 100));
  const DeviceArray<unsigned> arrived(std::vector<unsigned>{0});
  const DeviceArray<float> passed(turned.size());
  launch_cooperative(&around, kBlocks, 64, 0, nullptr, passed.data, GridBarrier{arrived.data});
  ok &= same("red.release and ld.acquire", passed, turned);
  return ok;
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

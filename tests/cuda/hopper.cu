// The instructions that a warp-specialised main loop on Hopper (sm_90a) is made of, each in its
// place: barriers that count arrivals and bytes, boxes by the copy engine, cp.async behind a proxy
// fence, products of a warpgroup.  Results are compared with plain loops.  -DBUG_... plants a
// mistake, which the emulator must find.  Built with the host compiler by tests/test_cuda_emulator.py,
// with nvcc and for a device by tools/gpu_check.sh.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <vector>

#include "cuda/gemm_boxes.h"
#include "cuda/gemm_matrix.h"
#include "cuda/tensor_map.cpp"
#include "cuda/wgmma.h"

namespace lamina::cuda {

// Only what launch.h needs of the runtime, which this program does not link.
int active_device() { return 0; }
void fail_call(cudaError_t error, const char* call) {
  std::printf("%s: %s\n", call, cudaGetErrorString(error));
  std::exit(1);
}

namespace {

constexpr int kRows = 64, kDepth = 320, kTileDepth = 64, kTiles = kDepth / kTileDepth, kStages = 2;
constexpr unsigned kWarps = kWarpgroup / kWarpSize;

// d (64 x columns) = a b: the first warpgroup loads A by cp.async and B by boxes, the second multiplies.
template <class T, Order a_order, Order b_order, int columns>
__global__ void __launch_bounds__(2 * kWarpgroup, 1)
    multiply([[maybe_unused]] const __grid_constant__ CUtensorMap b_map,
             [[maybe_unused]] const MatrixOperand<T> a, [[maybe_unused]] float* d) {
#if LAMINA_SM90_CODE
  using TileA = SwizzledTile<T, kRows, kTileDepth, a_order>;
  using TileB = SwizzledTile<T, columns, kTileDepth, b_order>;
  constexpr int kStage = TileA::kSize + TileB::kSize;
  LAMINA_DYNAMIC_SHARED(T, ring);
  Mbarrier* full = reinterpret_cast<Mbarrier*>(ring + kStages * kStage);
  Mbarrier* empty = full + kStages;
  if (threadIdx.x == 0) {
    for (int s = 0; s < kStages; ++s) {
      mbarrier_init(full + s, kWarpgroup);
      mbarrier_init(empty + s, kWarps);
    }
    fence_mbarrier_init();
  }
  __syncthreads();

  if (threadIdx.x < kWarpgroup) {
    give_registers<104>();
    MatrixLoader<TileA, kWarpgroup> a_loader(a, 0, kRows, 0, kDepth);
    BoxLoader<TileB> b_loader(b_map, 0, 0, 0);
    for (int t = 0; t < kTiles; ++t) {
      const int s = t % kStages;
      T* stage = ring + s * kStage;
#ifndef BUG_EMPTY_NOT_AWAITED
      mbarrier_wait(empty + s, (t / kStages & 1) ^ 1);
#endif
      if (threadIdx.x == 0) {
#ifdef BUG_WRONG_BYTES
        mbarrier_expect(full + s, BoxLoader<TileB>::kBytes / 2);
#else
        mbarrier_expect(full + s, BoxLoader<TileB>::kBytes);
#endif
        b_loader.load(stage + TileA::kSize, full + s);
      }
      a_loader.load(stage);
      commit_async_copies();
#ifndef BUG_COPY_NOT_AWAITED
      wait_async_copies<0>();
#endif
#ifdef BUG_WRONG_SWIZZLE
      if (threadIdx.x == 8 && t == 1) {  // two chunks of a line, exchanged
        const Chunk<T> first = *reinterpret_cast<Chunk<T>*>(stage + TileA::kSpan);
        *reinterpret_cast<Chunk<T>*>(stage + TileA::kSpan) =
            *reinterpret_cast<Chunk<T>*>(stage + TileA::kSpan + kChunk<T>);
        *reinterpret_cast<Chunk<T>*>(stage + TileA::kSpan + kChunk<T>) = first;
      }
#endif
#ifndef BUG_NO_PROXY_FENCE
      fence_async_proxy();
#endif
      mbarrier_arrive(full + s);
    }
    return;
  }

  take_registers<152>();
  float sum[columns / 2];
  for (float& x : sum) x = 0;
  hold_registers(sum);
  for (int t = 0; t < kTiles; ++t) {
    const int s = t % kStages;
    const T* stage = ring + s * kStage;
#if defined(BUG_WRONG_PHASE)
    mbarrier_wait(full + s, (t / kStages & 1) ^ 1);
#elif !defined(BUG_FULL_NOT_AWAITED)
    mbarrier_wait(full + s, t / kStages & 1);
#endif
#ifndef BUG_NOT_BEGUN
    begin_products();
#endif
    LAMINA_UNROLL
    for (int depth = 0; depth < kTileDepth; depth += 16) {
      const auto tile = [depth]<class Tile>(const T* from, Tile) {
        return describe_tile(from + (Tile::kAlongDepth ? depth : depth * Tile::kSpan),
                             Tile::kAlongDepth ? 16 : Tile::kPanel * sizeof(T));
      };
      start_product<T, columns, !TileA::kAlongDepth, !TileB::kAlongDepth>(
          sum, tile(stage, TileA()), tile(stage + TileA::kSize, TileB()));
    }
    commit_products();
#ifndef BUG_PRODUCTS_NOT_AWAITED
    wait_products<0>();
#endif
#if defined(BUG_FEW_ARRIVALS)
    if (threadIdx.x == kWarpgroup) mbarrier_arrive(empty + s);
#elif defined(BUG_MANY_ARRIVALS)
    mbarrier_arrive(empty + s);
#else
    if (threadIdx.x % kWarpSize == 0) mbarrier_arrive(empty + s);
#endif
  }
  hold_registers(sum);
  const int thread = static_cast<int>(threadIdx.x) - kWarpgroup;
  LAMINA_UNROLL
  for (int i = 0; i < columns / 2; ++i) {
    const int row = thread / 32 * 16 + thread % 32 / 4 + i / 2 % 2 * 8;
    d[row * columns + i / 4 * 8 + thread % 4 * 2 + i % 2] = sum[i];
  }
#endif
}

template <class T>
struct DeviceArray {
  T* data = nullptr;
  explicit DeviceArray(size_t n) {
    LAMINA_CUDA_CHECK(cudaMalloc(reinterpret_cast<void**>(&data), n * sizeof(T)));
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    LAMINA_CUDA_CHECK(cudaMemcpyAsync(data, values.data(), values.size() * sizeof(T),
                                      cudaMemcpyDefault, nullptr));
  }
  ~DeviceArray() { cudaFree(data); }
};

// A matrix of small whole numbers, sides x kDepth, as floats and in memory in its order.
template <class T>
struct Matrix {
  std::vector<float> values;
  std::vector<T> memory;
  Matrix(int sides, Order order, int seed) {
    for (int s = 0; s < sides; ++s)
      for (int d = 0; d < kDepth; ++d)
        values.push_back(static_cast<float>((s * seed + d * 5 + s * d % 3) % 9 - 4));
    for (int i = 0; i < sides * kDepth; ++i) {
      const int side = order == Order::depth ? i / kDepth : i % sides;
      const int depth = order == Order::depth ? i % kDepth : i / sides;
      memory.push_back(T(values[static_cast<size_t>(side * kDepth + depth)]));
    }
  }
};

template <class T, Order a_order, Order b_order, int columns>
bool multiplies(const char* what, DType dtype) {
  const Matrix<T> a(kRows, a_order, 7), b(columns, b_order, 11);
  std::vector<float> want, got(static_cast<size_t>(kRows * columns));
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < columns; ++j) {
      float sum = 0;
      for (int k = 0; k < kDepth; ++k)
        sum += a.values[static_cast<size_t>(i * kDepth + k)] *
               b.values[static_cast<size_t>(j * kDepth + k)];
      want.push_back(sum);
    }
  const DeviceArray<T> a_there(a.memory), b_there(b.memory);
  const DeviceArray<float> d(want.size());
  constexpr bool kAAlong = a_order == Order::depth, kBAlong = b_order == Order::depth;
  const MatrixOperand<T> operand{a_there.data, kAAlong ? kDepth : 1, kAAlong ? 1 : kRows, true};
  const MatrixStack stack{b_there.data,
                          kBAlong ? kDepth : columns,
                          kBAlong ? columns : kDepth,
                          1,
                          kBAlong ? kDepth : columns,
                          0};
  if (!can_be_mapped(stack)) return false;
  const CUtensorMap map = tensor_map(dtype, stack, kBAlong ? columns : kTileDepth);
  const size_t shared =
      kStages * ((kRows + columns) * kTileDepth * sizeof(T) + 2 * sizeof(Mbarrier));
  launch(&multiply<T, a_order, b_order, columns>, 1, 2 * kWarpgroup, shared, nullptr, map, operand,
         d.data);
  LAMINA_CUDA_CHECK(
      cudaMemcpyAsync(got.data(), d.data, got.size() * sizeof(float), cudaMemcpyDefault, nullptr));
  LAMINA_CUDA_CHECK(cudaStreamSynchronize(nullptr));
  if (got == want) return true;
  std::printf("%s: WRONG\n", what);
  return false;
}

bool all() {
  constexpr Order kAlong = Order::depth, kAcross = Order::side;
  bool ok = multiplies<bfloat16, kAlong, kAlong, 64>("bf16, 64 columns", DType::bfloat16);
  ok &= multiplies<float16, kAcross, kAlong, 64>("f16, a across", DType::float16);
  ok &= multiplies<bfloat16, kAlong, kAcross, 128>("bf16, b across, 128 columns", DType::bfloat16);
  ok &= multiplies<float16, kAcross, kAcross, 256>("f16, both across, 256 columns", DType::float16);
  ok &= multiplies<bfloat16, kAcross, kAlong, 256>("bf16, a across, 256", DType::bfloat16);
  ok &= multiplies<float16, kAlong, kAlong, 128>("f16, 128 columns", DType::float16);
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

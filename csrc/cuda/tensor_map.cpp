#include "cuda/tensor_map.h"

#include "core/check.h"

namespace lamina::cuda {
namespace {

// Of driver API 12.0, looked up so that nothing links the driver.
using Encode = CUresult (*)(CUtensorMap*, CUtensorMapDataType, cuuint32_t rank, void* data,
                            const cuuint64_t* sizes, const cuuint64_t* strides,
                            const cuuint32_t* box, const cuuint32_t* element_strides,
                            CUtensorMapInterleave, CUtensorMapSwizzle, CUtensorMapL2promotion,
                            CUtensorMapFloatOOBfill);

Encode look_up() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found;
  LAMINA_CUDA_CHECK(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000,
                                                     cudaEnableDefault, &found));
  check<RuntimeError>(found == cudaDriverEntryPointSuccess && function,
                      "[cuda] expected a driver with cuTensorMapEncodeTiled (CUDA 12.0 or later): "
                      "update the driver");
  return reinterpret_cast<Encode>(function);
}

constexpr int64_t kBytes = 2;  // an element's
constexpr cuuint32_t kSpan = 64;

}  // namespace

bool can_be_mapped(const MatrixStack& s) {
  constexpr int64_t kMostSize = int64_t{1} << 31, kMostStride = int64_t{1} << 40;
  const auto stride_fits = [](int64_t stride, int64_t count) {
    return count == 1 || (stride > 0 && stride * kBytes % 16 == 0 && stride * kBytes < kMostStride);
  };
  const auto size_fits = [](int64_t size) { return size > 0 && size < kMostSize; };
  return reinterpret_cast<uintptr_t>(s.data) % 16 == 0 && size_fits(s.elements) &&
         size_fits(s.lines) && size_fits(s.matrices) && stride_fits(s.line_stride, s.lines) &&
         stride_fits(s.matrix_stride, s.matrices);
}

CUtensorMap tensor_map(DType dtype, const MatrixStack& s, int lines) {
  static const Encode encode = look_up();
  // Nobody uses the stride of a single line or matrix; it is what it would be without gaps.
  const int64_t line = s.lines > 1 ? s.line_stride * kBytes : (s.elements * kBytes + 15) / 16 * 16;
  const int64_t matrix = s.matrices > 1 ? s.matrix_stride * kBytes : line * s.lines;
  const cuuint64_t sizes[] = {static_cast<cuuint64_t>(s.elements), static_cast<cuuint64_t>(s.lines),
                              static_cast<cuuint64_t>(s.matrices)};
  const cuuint64_t strides[] = {static_cast<cuuint64_t>(line), static_cast<cuuint64_t>(matrix)};
  const cuuint32_t box[] = {kSpan, static_cast<cuuint32_t>(lines), 1}, steps[] = {1, 1, 1};
  CUtensorMap map;
  const CUresult result = encode(
      &map,
      dtype == DType::bfloat16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT16,
      3, const_cast<void*>(s.data), sizes, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
      CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
      CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  check<RuntimeError>(result == CUDA_SUCCESS,
                      "[cuda] cuTensorMapEncodeTiled failed: ", static_cast<int>(result));
  return map;
}

}  // namespace lamina::cuda

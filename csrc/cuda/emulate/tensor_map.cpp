// The driver's function that describes matrices for the copy engine, with the limits that it checks,
// as far as cuda/tensor_map.cpp uses it.
#include "cuda/emulate/tensor_map.h"

#include <cstring>

#include "cuda/emulate/cuda_runtime.h"

namespace {

CUresult encode(CUtensorMap* map, CUtensorMapDataType, cuuint32_t rank, void* data,
                const cuuint64_t* sizes, const cuuint64_t* strides, const cuuint32_t* box,
                const cuuint32_t* element_strides, CUtensorMapInterleave,
                CUtensorMapSwizzle swizzle, CUtensorMapL2promotion, CUtensorMapFloatOOBfill) {
  lamina::cuda::emulate::TensorMap m{static_cast<const char*>(data), {}, {}, {}, rank};
  bool fits = rank == 3 && swizzle == CU_TENSOR_MAP_SWIZZLE_128B &&
              reinterpret_cast<uintptr_t>(data) % 16 == 0 && box[0] * 2 == 128;
  for (unsigned d = 0; d < 3 && fits; ++d) {
    fits &= sizes[d] > 0 && sizes[d] <= uint64_t{1} << 32 && box[d] > 0 && box[d] <= 256 &&
            element_strides[d] == 1;
    if (d < 2) fits &= strides[d] % 16 == 0 && strides[d] > 0 && strides[d] < uint64_t{1} << 40;
    m.size[d] = sizes[d];
    m.box[d] = box[d];
    if (d < 2) m.stride[d] = strides[d];
  }
  if (!fits) return CUDA_ERROR_INVALID_VALUE;
  std::memcpy(map, &m, sizeof m);
  return CUDA_SUCCESS;
}

}  // namespace

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned,
                                             unsigned long long,
                                             cudaDriverEntryPointQueryResult* found) {
  const bool known = std::strcmp(symbol, "cuTensorMapEncodeTiled") == 0;
  *function = known ? reinterpret_cast<void*>(&encode) : nullptr;
  *found = known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}

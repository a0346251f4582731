// The tables of CUDA devices: those that cuda/*.cu define.  A build without CUDA has none of them.
#include "kernels/registry.h"

#include "core/cuda.h"
#include "core/recording.h"
#include "kernels/all.h"
#include "kernels/recorded.h"

#define LAMINA_BINDINGS(stem)

namespace lamina::cuda {

#define LAMINA_KERNELS(Contract, stem) extern const kernels::Contract stem __attribute__((weak));
#include "kernels/list.inc"
#undef LAMINA_KERNELS

}  // namespace lamina::cuda

namespace lamina::kernels {

#define LAMINA_KERNELS(Contract, stem)                                                     \
  template <>                                                                              \
  const Contract& cuda_kernels<Contract>(Device device) {                                  \
    cuda::activate(device.index);                                                          \
    check<NotImplementedError>(&cuda::stem, "[" #stem "] has no kernel on ", name(device), \
                               " yet; move the tensors with .cpu()");                      \
    return cuda::stem;                                                                     \
  }                                                                                        \
  template <>                                                                              \
  const Contract& cuda_table<Contract>(Device device) {                                    \
    const Contract& kernels = cuda_kernels<Contract>(device);                              \
    return recording() ? recorded_table<Contract>(device) : kernels;                       \
  }
#include "kernels/list.inc"

}  // namespace lamina::kernels

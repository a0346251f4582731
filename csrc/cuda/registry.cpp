// The tables of CUDA devices: those that cuda/*.cu define.  A build without CUDA has none of them.
#include "kernels/registry.h"

#include "core/cuda.h"
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
  const Contract& cuda_table<Contract>(Device device) {                                    \
    refuse_device(device);                                                                 \
    cuda::activate(device.index);                                                          \
    check<NotImplementedError>(&cuda::stem, "[" #stem "] has no kernel on ", name(device), \
                               " yet; move the tensors with .cpu()");                      \
    return cuda::stem;                                                                     \
  }
#include "kernels/list.inc"

}  // namespace lamina::kernels

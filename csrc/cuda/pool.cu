// The table of the pool kernels: pool_max.cu and pool_mean.cu fill it.  It has no kernel: what
// bounds them stands there.  Compiled and emulated, not yet run on a device.
#include "cuda/pool.h"
#include "kernels/registry.h"

namespace lamina::cuda {

LAMINA_CUDA_KERNELS(Pool, pool){&max_pool_forward,     &max_pool_backward, &max_pool_gather,
                                &max_pool_plane_index, &mean_pool_forward, &mean_pool_backward};

}  // namespace lamina::cuda

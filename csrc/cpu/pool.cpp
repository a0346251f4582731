// The table of the pool kernels: pool_max.cpp and pool_mean.cpp fill it.
#include "cpu/pool.h"

#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {

LAMINA_CPU_KERNELS(Pool, pool){&max_pool_forward,     &max_pool_backward, &max_pool_gather,
                               &max_pool_plane_index, &mean_pool_forward, &mean_pool_backward};

}  // namespace lamina::cpu::LAMINA_ISA

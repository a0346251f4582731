// The parts of the pool kernels' table; one file each, all of them in one namespace per instruction
// set.
#pragma once

#include "cpu/vec.h"
#include "kernels/pool.h"

namespace lamina::cpu::LAMINA_ISA {

using kernels::PoolDivisor;
using kernels::PoolShape;

void max_pool_forward(const PoolShape& s, const void* x, void* y, void* tap);
void max_pool_backward(const PoolShape& s, const void* dy, const void* tap, void* dx);
void max_pool_gather(const PoolShape& s, const void* x, const void* tap, void* y);
void max_pool_plane_index(const PoolShape& s, const void* tap, int64_t* index);

void mean_pool_forward(const PoolShape& s, const PoolDivisor& divisor, const void* x, void* y);
void mean_pool_backward(const PoolShape& s, const PoolDivisor& divisor, const void* dy, void* dx);

}  // namespace lamina::cpu::LAMINA_ISA

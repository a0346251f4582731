// Implicit GEMM of 16-bit floats on Hopper, compiled a dtype and a pass a file: windows of activations
// come by cp.async, packed weights by the copy engine; gemm_wgmma.h says what bounds it.
//
// The loading warpgroup copies 16 bytes a thread and instruction, 1024 of them for a tile of 128
// windows by 64 channels: eight copies a thread, some 15 instructions each with their addresses, 120
// issue slots of a scheduler for a stage that keeps the tensor cores busy for 256 cycles at 64 columns and 1024
// at 256.
//
// A 3 x 3 layer of 64 channels on 32 images of 56 x 56 is 7.4 GFLOP a pass, 9 us at 790 TFLOP/s; its
// activations, 26 MB, take 6 us at the 4.3 TB/s that an H200 copies.  As the kernels fill 64 columns, 112
// cycles of shared memory for 64 of tensor cores, 16 us.  Moments cost a tile of 256 columns 112 shuffles
// a thread, 900 cycles, where a depth of 576 is 9200; the pass that they save reads 51 MB in float32, 12 us.
// Compiled and emulated, not yet run on a device.
#pragma once

#include "cuda/conv_implicit.h"
#include "cuda/gemm_wgmma.h"

namespace lamina::cuda {

template <class T>
bool launch_windows_on_hopper(WindowProblem<T>& problem, const PackedWeights& packed,
                              int64_t matrices, int64_t rows, int64_t& moment_rows) {
  if (!on_sm90() || !problem.source.wide) return false;
  const int64_t depth = packed.size / packed.pitch;
  const MatrixStack weights{problem.weights, packed.pitch, depth,
                            matrices,        packed.pitch, packed.size};
  if (!can_be_mapped(weights)) return false;
  visit_wgmma_columns(matrices, rows, packed.made, [&](auto columns) {
    using Core = WgmmaCore<T, Order::depth, Order::side, columns()>;
    problem.weight_map = tensor_map(dtype_of<T>, weights, Core::B::kLines);
    moment_rows = launch_wgmma<Core>(problem, matrices, rows, packed.made, depth);
  });
  return true;
}

template <class T>
bool launch_weights_on_hopper(const WeightProblem<T>& problem, int64_t groups, int64_t filters,
                              int64_t columns, int64_t depth) {
  if (!on_sm90() || !problem.x.wide || !problem.dy.wide) return false;
  visit_wgmma_columns(groups, filters, columns, [&](auto tile_columns) {
    launch_wgmma<WgmmaCore<T, Order::side, Order::side, tile_columns()>>(problem, groups, filters,
                                                                         columns, depth);
  });
  return true;
}

}  // namespace lamina::cuda

// Pooling over one to three spatial dimensions.
#pragma once

#include <optional>
#include <utility>

#include "core/array.h"
#include "kernels/pool.h"

namespace lamina::ops {

// Where the windows lie: made and checked once, used by the forward pass and by all that follow from it.
struct PoolGeometry {
  int rank;            // spatial dimensions
  Dims in, out;        // spatial sizes
  kernels::PoolShape shape;  // all but dtype, layout, batch and channels
};

struct PoolWindow {
  Dims kernel, stride, padding, dilation;  // one number a spatial dimension
  bool ceil_mode;
};

// `x_shape`: (N, C, spatial...) or (C, spatial...).  Errors name `op`.
PoolGeometry pool_geometry(const Dims& x_shape, const PoolWindow& window, const char* op);
PoolGeometry adaptive_pool_geometry(const Dims& x_shape, const Dims& output_size, const char* op);

// y, and which tap of each window won (uint8 or int32, see kernels/pool.h) if `with_taps`.
std::pair<Array, std::optional<Array>> max_pool(const Array& x, const PoolGeometry& geometry, bool with_taps);
Array max_pool_backward(const Array& dy, const Array& taps, const PoolGeometry& geometry);
Array max_pool_gather(const Array& x, const Array& taps, const PoolGeometry& geometry);  // x at the winners
Array max_pool_indices(const Array& taps, const PoolGeometry& geometry);  // int64, flat in the spatial plane

struct AveragePool {
  bool count_include_pad = true;
  int64_t divisor_override = 0;  // 0: none
};

Array avg_pool(const Array& x, const PoolGeometry& geometry, const AveragePool& options);
Array avg_pool_backward(const Array& dy, const PoolGeometry& geometry, const AveragePool& options);

}  // namespace lamina::ops

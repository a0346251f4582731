// Pooling over one to three spatial dimensions.
#pragma once

#include <optional>
#include <utility>

#include "core/array.h"
#include "kernels/pool.h"

namespace lamina::ops {

struct PoolWindow {
  Dims kernel, stride, padding, dilation;  // one number a spatial dimension
  bool ceil_mode;
};

// A pooling of one input: made and checked once, used by the forward pass and by all that follow
// from it, so that every gradient takes the memory order of the input.
struct PoolGeometry {
  Dims x_shape, y_shape;
  kernels::PoolShape shape;
};

// x: (N, C, spatial...) or (C, spatial...).  Errors name `op`.
PoolGeometry pool_geometry(const Array& x, const PoolWindow& window, const char* op);
PoolGeometry adaptive_pool_geometry(const Array& x, const Dims& output_size, const char* op);

// y, and with `with_taps` which tap of each window won (uint8 or int32, see kernels/pool.h).
std::pair<Array, std::optional<Array>> max_pool(const Array& x, const PoolGeometry& geometry,
                                                bool with_taps);
Array max_pool_backward(const Array& dy, const Array& taps, const PoolGeometry& geometry);
Array max_pool_gather(const Array& x, const Array& taps,
                      const PoolGeometry& geometry);  // x at the winners
Array max_pool_indices(const Array& taps,
                       const PoolGeometry& geometry);  // int64, flat in the spatial plane

// divisor_override: 0 for none.
Array avg_pool(const Array& x, const PoolGeometry& geometry, bool count_include_pad,
               int64_t divisor_override);
Array avg_pool_backward(const Array& dy, const PoolGeometry& geometry, bool count_include_pad,
                        int64_t divisor_override);

}  // namespace lamina::ops

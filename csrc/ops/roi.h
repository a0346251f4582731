// Regions of interest of feature maps, and the suppression of overlapping boxes.
#pragma once

#include <utility>

#include "core/array.h"

namespace lamina::ops {

struct RoiOptions {
  int64_t out_height, out_width;
  double scale;
  int64_t sampling_ratio = 0;
  bool aligned = false;
};

// x: (N, C, H, W), rois: (K, 5): image, x1, y1, x2, y2; gives (K, C, out_height, out_width).
Array roi_align(const Array& x, const Array& rois, const RoiOptions& options);
Array roi_align_backward(const Array& dy, const Array& rois, const Dims& shape,
                         const RoiOptions& options);
// ... and where each maximum was found: h * W + w, int32, -1 in an empty bin.
std::pair<Array, Array> roi_pool(const Array& x, const Array& rois, const RoiOptions& options);
Array roi_pool_backward(const Array& dy, const Array& rois, const Array& winner, const Dims& shape,
                        const RoiOptions& options);

// boxes: (n, 4), order: (n,) int64, the best first; gives the indices kept, in that order.
Array nms(const Array& boxes, const Array& order, double threshold);

}  // namespace lamina::ops

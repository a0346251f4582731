// Regions of interest: pieces of feature maps, each pooled to one size; and the suppression of boxes
// that overlap better ones.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lamina::kernels {

struct RoiShape {
  DType dtype;         // float32 or float64, of everything
  bool channels_last;  // of x and y: memory order N, H, W, C; else N, C, H, W
  int64_t batch, channels, height, width;
  int64_t rois, out_height, out_width;
  double scale;        // pixels of x a unit of the boxes
  int sampling_ratio;  // samples a bin along each axis; 0: as many as it has pixels, rounded up
  bool aligned;        // pixels' middles lie at halves
};

// x: (N, C, H, W), y: (rois, C, out_height, out_width), rois: (rois, 5): image, x1, y1, x2, y2.
// winner: (rois, C, out_height, out_width) in y's memory order: h * W + w, -1 in an empty bin.
struct Roi {
  void (*align_forward)(const RoiShape& s, const void* x, const void* rois, void* y);
  void (*align_backward)(const RoiShape& s, const void* dy, const void* rois, void* dx);
  void (*pool_forward)(const RoiShape& s, const void* x, const void* rois, void* y,
                       int32_t* winner);
  void (*pool_backward)(const RoiShape& s, const void* dy, const void* rois, const int32_t* winner,
                        void* dx);
  // boxes: (n, 4): x1, y1, x2, y2; order: their indices, the best first.  A box is kept unless its
  // intersection over union with a kept one exceeds the threshold.  Writes the indices kept, in
  // that order, and gives their number.
  int64_t (*nms)(DType dtype, int64_t n, const void* boxes, const int64_t* order, double threshold,
                 int64_t* kept);
};

}  // namespace lamina::kernels

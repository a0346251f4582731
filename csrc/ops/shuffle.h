// Pixels from channels and back, and channels dealt out over groups.
#pragma once

#include "core/array.h"

namespace lamina::ops {

Array pixel_shuffle(const Array& x, int64_t factor);    // (N, C r^2, H, W) to (N, C, H r, W r)
Array pixel_unshuffle(const Array& x, int64_t factor);  // (N, C, H r, W r) to (N, C r^2, H, W)
Array channel_shuffle(const Array& x, int64_t groups);  // (N, C, spatial...)

}  // namespace lamina::ops

// Patches of images as columns, and back.
#pragma once

#include "core/array.h"

namespace lamina::ops {

// How patches lie on an image: (height, width) each.
struct PatchGrid {
  Dims kernel, stride, padding, dilation;
};

// (N, C, H, W) -> (N, C * kernel, positions)
Array unfold_patches(const Array& x, const PatchGrid& grid);
// (N, C * kernel, positions) -> (N, C, size...): overlapping patches are added.
Array fold_patches(const Array& columns, const Dims& size, const PatchGrid& grid);

}  // namespace lamina::ops

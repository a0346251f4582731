// How an output is cut into Winograd tiles, and in which order they come.
//
// A row of 7 outputs is a tile of 4 and one of 3 rather than two of 4: the sums of a tile's first
// three outputs need only the five finite interpolation points, so that the products at infinity
// are left out (121 of 144 products of a 7x7 image remain).  Tiles of one size come together, in an
// order in which the tiles that each position of the transform needs are one range.
//
// A dilated convolution is an ordinary one on each of dilation^2 phases of the image, every
// dilation-th pixel of a row and a column: their tiles come one after the other.
#pragma once

#include "cpu/conv_box.h"
#include "cpu/conv_winograd_tile.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// One dimension of an image's phases.
struct TileAxis {
  int64_t step;           // from one of a tile's pixels to the next: the dilation
  int64_t fours, threes;  // tiles of four outputs, then of three

  LAMINA_INLINE int64_t tiles() const { return fours + threes; }
  LAMINA_INLINE int64_t first_pixel(int64_t tile, int64_t phase) const {
    const int64_t output = tile < fours ? tile * kWinogradOut : tile * (kWinogradOut - 1) + fours;
    return output * step + phase;
  }
};

LAMINA_INLINE TileAxis cut_axis(int64_t extent, int64_t dilation) {
  const int64_t phase = ceil_div(extent, dilation), tiles = ceil_div(phase, kWinogradOut);
  const int64_t threes = clamp(kWinogradOut * tiles - phase, 0, tiles);
  return {dilation, tiles - threes, threes};
}

struct Tiles {
  TileAxis h, w;
  int64_t images;  // phases of all images
  int64_t count;

  struct Place {
    int64_t n, h, w;  // the tile's first pixel
    int64_t rows, columns;
  };
  struct Range {
    int64_t begin, end;
  };

  // The sizes in order: 4x3 outputs, 4x4, 3x4, 3x3.
  LAMINA_INLINE static bool four_rows(int size) { return size < 2; }
  LAMINA_INLINE static bool four_columns(int size) { return size == 1 || size == 2; }
  LAMINA_INLINE int64_t rows(int size) const { return four_rows(size) ? h.fours : h.threes; }
  LAMINA_INLINE int64_t columns(int size) const { return four_columns(size) ? w.fours : w.threes; }
  LAMINA_INLINE int64_t of_size(int size) const { return images * rows(size) * columns(size); }

  LAMINA_INLINE Place at(int64_t tile) const {
    int size = 0;
    while (tile >= of_size(size)) tile -= of_size(size++);
    const int64_t across = columns(size), each = rows(size) * across;
    const int64_t image = tile / each, row = tile % each / across, column = tile % across;
    const int64_t phase_h = image / w.step % h.step, phase_w = image % w.step;
    return {image / (h.step * w.step),
            h.first_pixel(row + (four_rows(size) ? 0 : h.fours), phase_h),
            w.first_pixel(column + (four_columns(size) ? 0 : w.fours), phase_w),
            four_rows(size) ? kWinogradOut : kWinogradOut - 1,
            four_columns(size) ? kWinogradOut : kWinogradOut - 1};
  }

  // The tiles that need the product at a position.
  LAMINA_INLINE Range needing(int position) const {
    const bool last_row = position / kWinogradIn == kWinogradIn - 1,
               last_column = position % kWinogradIn == kWinogradIn - 1;
    const int64_t fours = of_size(0) + of_size(1);  // tiles of four rows
    return {last_column ? of_size(0) : 0, last_row      ? fours
                                          : last_column ? fours + of_size(2)
                                                        : count};
  }
  // Those among `size` tiles from `first` on, counted from there.
  LAMINA_INLINE Range needing(int position, int64_t first, int64_t size) const {
    const Range all = needing(position);
    return {clamp(all.begin - first, 0, size), clamp(all.end - first, 0, size)};
  }
};

LAMINA_INLINE Tiles cut_tiles(int64_t n, int64_t h, int64_t w, int64_t dilation_h,
                              int64_t dilation_w) {
  Tiles t{cut_axis(h, dilation_h), cut_axis(w, dilation_w), n * dilation_h * dilation_w, 0};
  t.count = t.images * t.h.tiles() * t.w.tiles();
  return t;
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

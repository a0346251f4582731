// How an output is cut into Winograd tiles, and in which order they come.
//
// A row of 7 outputs is a tile of 4 and one of 3 rather than two of 4: the sums of all outputs but a
// tile's last need only the five finite interpolation points, so that the products at infinity are
// left out (121 of 144 products of a 7x7 image remain).  Tiles of one size come together, in an
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
  int64_t step;            // from one of a tile's pixels to the next: the dilation
  int64_t outputs;         // of a whole tile
  int64_t whole, shorter;  // tiles of as many outputs, then of one less

  LAMINA_INLINE int64_t tiles() const { return whole + shorter; }
  LAMINA_INLINE int64_t first_pixel(int64_t tile, int64_t phase) const {
    const int64_t output = tile * outputs - (tile < whole ? 0 : tile - whole);
    return output * step + phase;
  }
};

LAMINA_INLINE TileAxis cut_axis(int64_t extent, int64_t dilation, int64_t outputs) {
  const int64_t phase = ceil_div(extent, dilation), tiles = ceil_div(phase, outputs);
  const int64_t shorter = clamp(outputs * tiles - phase, 0, tiles);
  return {dilation, outputs, tiles - shorter, shorter};
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

  // The sizes in order: whole rows of shorter columns, whole of whole, shorter of whole, shorter of
  // shorter.
  LAMINA_INLINE static bool whole_rows(int size) { return size < 2; }
  LAMINA_INLINE static bool whole_columns(int size) { return size == 1 || size == 2; }
  LAMINA_INLINE int64_t rows(int size) const { return whole_rows(size) ? h.whole : h.shorter; }
  LAMINA_INLINE int64_t columns(int size) const {
    return whole_columns(size) ? w.whole : w.shorter;
  }
  LAMINA_INLINE int64_t of_size(int size) const { return images * rows(size) * columns(size); }

  LAMINA_INLINE Place at(int64_t tile) const {
    int size = 0;
    while (tile >= of_size(size)) tile -= of_size(size++);
    const int64_t across = columns(size), each = rows(size) * across;
    const int64_t image = tile / each, row = tile % each / across, column = tile % across;
    const int64_t phase_h = image / w.step % h.step, phase_w = image % w.step;
    return {image / (h.step * w.step),
            h.first_pixel(row + (whole_rows(size) ? 0 : h.whole), phase_h),
            w.first_pixel(column + (whole_columns(size) ? 0 : w.whole), phase_w),
            h.outputs - !whole_rows(size), w.outputs - !whole_columns(size)};
  }

  // The tiles that need the product at a position.
  LAMINA_INLINE Range needing(int position) const {
    const bool last_row = position / kWinogradIn == kWinogradIn - 1,
               last_column = position % kWinogradIn == kWinogradIn - 1;
    const int64_t whole = of_size(0) + of_size(1);  // tiles of whole rows
    return {last_column ? of_size(0) : 0, last_row      ? whole
                                          : last_column ? whole + of_size(2)
                                                        : count};
  }
  // Those among `size` tiles from `first` on, counted from there.
  LAMINA_INLINE Range needing(int position, int64_t first, int64_t size) const {
    const Range all = needing(position);
    return {clamp(all.begin - first, 0, size), clamp(all.end - first, 0, size)};
  }
};

// Tiles of outputs x outputs pixels of n images.
LAMINA_INLINE Tiles cut_tiles(int64_t outputs, int64_t n, int64_t h, int64_t w, int64_t dilation_h,
                              int64_t dilation_w) {
  Tiles t{cut_axis(h, dilation_h, outputs), cut_axis(w, dilation_w, outputs),
          n * dilation_h * dilation_w, 0};
  t.count = t.images * t.h.tiles() * t.w.tiles();
  return t;
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

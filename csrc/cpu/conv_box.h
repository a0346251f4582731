// Cuts the output positions (n, d, h, w) of a convolution into boxes that one task computes: as
// many whole images as fit, else planes, rows or parts of rows.  A function of the problem alone,
// so that results don't depend on threads.
#pragma once

#include "cpu/panels.h"  // ceil_div

namespace lamina::cpu::LAMINA_ISA {
namespace {

LAMINA_INLINE int64_t clamp(int64_t v, int64_t least, int64_t most) {
  return v < least ? least : v > most ? most : v;
}

struct Box {
  int64_t begin[4], size[4];  // n, d, h, w
};

struct BoxCut {
  int64_t extent[4], box[4], count[4];

  LAMINA_INLINE int64_t boxes() const { return count[0] * count[1] * count[2] * count[3]; }
  LAMINA_INLINE int64_t positions() const { return box[0] * box[1] * box[2] * box[3]; }
  LAMINA_INLINE Box at(int64_t index) const {
    Box b;
    for (int i = 3; i >= 0; --i) {
      b.begin[i] = index % count[i] * box[i];
      index /= count[i];
      const int64_t rest = extent[i] - b.begin[i];
      b.size[i] = rest < box[i] ? rest : box[i];
    }
    return b;
  }
};

// Boxes of at most `most` positions (at least one), equal to within rounding; widths are multiples
// of `unit`.
LAMINA_INLINE BoxCut cut_boxes(const int64_t (&extent)[4], int64_t most, int64_t unit) {
  BoxCut cut;
  int64_t rest = 1;
  for (int i = 0; i < 4; ++i) rest *= extent[i] > 0 ? extent[i] : 1;
  for (int i = 0; i < 4; ++i) {
    const int64_t n = extent[i] > 0 ? extent[i] : 1;
    rest /= n;
    int64_t box = most / rest;
    box = box < 1 ? 1 : box > n ? n : box;
    const int64_t parts = (n + box - 1) / box;
    box = (n + parts - 1) / parts;
    if (i == 3) box = (box + unit - 1) / unit * unit;
    cut.extent[i] = extent[i];
    cut.box[i] = box;
    cut.count[i] = (extent[i] + box - 1) / box;
  }
  return cut;
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

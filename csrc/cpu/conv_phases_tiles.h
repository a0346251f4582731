// Tiles of 4x4 outputs (of a phase), and activations transformed to their 25 points.
//
//   V [point][block][tile][kBlock]   a block holds 64 channels, or 16 channels of each of 4 phases
// Strides between points are odd numbers of cache lines (conv_winograd.h): a transform writes all 25
// at once.
#pragma once

#include "cpu/conv_phases.h"
#include "cpu/conv_winograd.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int kPhases = 4;
inline constexpr int kPhaseTaps = 16;                     // of the kernel, in all phases
inline constexpr int64_t kPhaseWidth = kBlock / kPhases;  // channels of a block with four phases

struct PhaseTiles {
  int64_t down, across, count;

  PhaseTiles(int64_t n, int64_t height, int64_t width)
      : down(ceil_div(height, kPhaseTile)),
        across(ceil_div(width, kPhaseTile)),
        count(n * down * across) {}

  struct Place {
    int64_t n, h, w;  // the tile's first output
  };
  LAMINA_INLINE Place at(int64_t tile) const {
    return {tile / (down * across), tile / across % down * kPhaseTile, tile % across * kPhaseTile};
  }
};

// Size x Size pixels from (h, w) on; those outside of x are zeros.
template <int Size>
struct PhaseWindow {
  const float* pixel[Size * Size];

  LAMINA_INLINE PhaseWindow(const Pixels<const float*>& x, int64_t n, int64_t h, int64_t w,
                            const float* zeros) {
    const float* image = x.data + n * x.n_stride;
    for (int i = 0; i < Size; ++i) {
      const bool row = h + i >= 0 && h + i < x.h;
      for (int j = 0; j < Size; ++j)
        pixel[i * Size + j] = row && w + j >= 0 && w + j < x.w
                                  ? image + (h + i) * x.h_stride + (w + j) * x.w_stride
                                  : zeros;
    }
  }
};

// to[point * stride] for channels from c on of the window's pixels, `pitch` apart from `first` on.
template <class Transform, int Size>
LAMINA_INLINE void transform_pixels(const PhaseWindow<Size>& window, int first, int pitch,
                                    int64_t c, int lanes, float* to, int64_t stride) {
  transform_square<Transform>(
      [&](int i, int j) __attribute__((always_inline)) {
        return load_lanes(window.pixel[first + pitch * (i * Size + j)] + c, lanes);
      },
      [&](int i, int j, F v)
          __attribute__((always_inline)) { store(to + (i * kPhaseReads + j) * stride, v); });
}

// V of tiles [first, first + count) for the larger side, whose phase p of a tile at output (h, w)
// reads pixels 2 (h + i) + p / 2 - pad and so on: all phases of 16 channels side by side.
__attribute__((noinline)) inline void transform_large(const Pixels<const float*>& x,
                                                      const PhaseTiles& tiles, const int64_t* pad,
                                                      int64_t first, int64_t count, float* v,
                                                      int64_t stride, int64_t block_stride,
                                                      const float* zeros) {
  constexpr int kSize = 2 * kPhaseReads, n = kLanes<float>;
  for (int64_t t = 0; t < count; ++t) {
    const PhaseTiles::Place at = tiles.at(first + t);
    const PhaseWindow<kSize> window(x, at.n, 2 * at.h - pad[0], 2 * at.w - pad[1], zeros);
    for (int64_t c = 0; c < ceil_div(x.c, kPhaseWidth) * kPhaseWidth; c += n) {
      const int lanes = static_cast<int>(clamp(x.c - c, 0, n));
      float* to = v + t * kBlock + c / kPhaseWidth * block_stride + c % kPhaseWidth;
      for (int p = 0; p < kPhases; ++p)
        transform_pixels<ToPoints>(window, p / 2 * kSize + p % 2, 2, c, lanes, to + p * kPhaseWidth,
                                   stride);
    }
  }
}

// The same for the smaller side, channel by channel in blocks of `width`: the window of a tile at
// (h, w) begins at (h + offset_h, w + offset_w).
template <class Transform>
__attribute__((noinline)) void transform_small(const Pixels<const float*>& x,
                                               const PhaseTiles& tiles, int64_t offset_h,
                                               int64_t offset_w, int64_t first, int64_t count,
                                               int64_t width, float* v, int64_t stride,
                                               int64_t block_stride, const float* zeros) {
  constexpr int n = kLanes<float>;
  for (int64_t t = 0; t < count; ++t) {
    const PhaseTiles::Place at = tiles.at(first + t);
    const PhaseWindow<Transform::kIn> window(x, at.n, at.h + offset_h, at.w + offset_w, zeros);
    for (int64_t c = 0; c < x.c; c += n)
      transform_pixels<Transform>(window, 0, 1, c, static_cast<int>(clamp(x.c - c, 0, n)),
                                  v + t * width + c / width * block_stride + c % width, stride);
  }
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

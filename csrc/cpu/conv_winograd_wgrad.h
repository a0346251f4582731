// Winograd's weight gradient: dw = G' [ sum over tiles of (A dY A') * (B' x B) ] G.
//
// At each of the 36 positions the sum over tiles is a matrix product with the tiles as its
// reduction; it runs on implicit GEMM's gradient tile.  The sums of 64 input channels by two panels
// of outputs stay in L2, and only their inverse transforms, of a quarter of the size for 3x3 kernels,
// are stored and added.
//
//   S [position][panel][tile][kPanel]        transformed gradients of the output
//   P [panel][position][channel][kPanel]     sums over tiles of products
#pragma once

#include "cpu/conv_wgrad.h"
#include "cpu/conv_winograd.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// P (+)= V' S over those of tiles [first, first + count) that need a position, for one panel and one
// block of channels, whose rows begin at `p`.
inline void add_products(const Tiles& tiles, int64_t first, const float* v, int64_t v_stride,
                         const float* s, int64_t s_stride, int64_t count, int64_t channels,
                         bool one_vector, float* p, int64_t p_stride, bool accumulate) {
  const int64_t row = 0, most = ceil_div(channels, ceil_div(channels, kGradRows));
  const GradTile<float> tile = choose_grad_tile<float>(static_cast<int>(most), one_vector);
  for (int position = 0; position < kPositions;
       ++position, v += v_stride, s += s_stride, p += p_stride) {
    const Tiles::Range range = tiles.needing(position, first, count);
    const GradBox box{&row, 1, range.end - range.begin, kBlock};
    for (int64_t c = 0; c < channels; c += most)
      tile(box, v + range.begin * kBlock + c, s + range.begin * kPanel<float>,
           p + c * kPanel<float>, static_cast<int>(clamp(channels - c, 0, most)), accumulate);
  }
}

// dw of one panel and block, [tap][channel][kPanel], (+)= the inverse transform of P.  Gives 0 in
// lanes where all was finite.
template <int Taps>
Lanes transform_weight_gradient(const float* p, int64_t p_stride, int64_t channels, float* dw,
                                int vectors, bool accumulate) {
  Lanes doubt{};
  for (int64_t c = 0; c < channels; ++c)
    for (int v = 0; v < vectors; ++v) {
      const float* from = p + c * kPanel<float> + v * kLanes<float>;
      float* to = dw + c * kPanel<float> + v * kLanes<float>;
      transform_tile<WeightGradientTransform<Taps>>(
          [&](int i, int j) __attribute__((always_inline)) {
            return load(from + (i * kWinogradIn + j) * p_stride);
          },
          [&](int i, int j, Lanes value) __attribute__((always_inline)) {
            float* tap = to + (Taps * i + j) * channels * kPanel<float>;
            doubt += value * 0.0f;
            store(tap, accumulate ? load(tap) + value : value);
          });
    }
  return doubt;
}

template <int Taps>
struct WinogradGrad {
  static constexpr int64_t kTaps = Taps * Taps;
  Pixels<const float*> x, dy;
  Tiles tiles;
  int64_t offset_h, offset_w;  // of a tile's inputs from its first output
  WeightOrder order;           // of the packed result: blocks of kBlock channels
  const float* zeros;

  int64_t elements() const { return order.panels * kTaps * order.c * kPanel<float>; }
  float* packed(float* dw, int64_t panel, int64_t block) const {
    return dw + kTaps * order.before_block(panel, block) * kPanel<float>;
  }
  bool one_vector(int64_t panel) const { return order.k - panel * kPanel<float> <= kLanes<float>; }
};

// Few channels: a task transforms and adds up its own part of the tiles, block of tiles by block.
// `dw` has one packed gradient for each of the `parts`.
template <int Taps>
void grad_over_tiles(const WinogradGrad<Taps>& g, int64_t parts, int64_t block, float* dw,
                     Finite& finite) {
  const WeightOrder& order = g.order;
  parallel_for(parts, 1, [&](int64_t part, int64_t) {
    const int64_t first = g.tiles.count * part / parts, last = g.tiles.count * (part + 1) / parts;
    const int64_t v_stride = position_stride(order.channels.blocks * block * kBlock);
    const int64_t s_stride = position_stride(order.panels * block * kPanel<float>);
    const int64_t p_stride = position_stride(order.c * kPanel<float>);
    Scratch scratch(kPositions * (v_stride + s_stride + order.panels * p_stride) * sizeof(float));
    float* p = scratch.as<float>();
    float* v = p + kPositions * order.panels * p_stride;
    float* s = v + kPositions * v_stride;
    for (int64_t t = first; t < last; t += block) {
      const int64_t count = clamp(last - t, 0, block);
      transform_activations<InputTransform>(g.x, g.tiles, g.offset_h, g.offset_w, t, count, 0,
                                            order.c, kBlock, v, v_stride, count * kBlock, g.zeros);
      transform_activations<GradientTransform<Taps>>(g.dy, g.tiles, 0, 0, t, count, 0, order.k,
                                                     kPanel<float>, s, s_stride,
                                                     count * kPanel<float>, g.zeros);
      for (int64_t panel = 0; panel < order.panels; ++panel)
        for (int64_t b = 0; b < order.channels.blocks; ++b)
          add_products(
              g.tiles, t, v + b * count * kBlock, v_stride, s + panel * count * kPanel<float>,
              s_stride, count, order.block_channels(b), g.one_vector(panel),
              p + panel * kPositions * p_stride + b * kBlock * kPanel<float>, p_stride, t > first);
    }
    for (int64_t panel = 0; panel < order.panels; ++panel)
      for (int64_t b = 0; b < order.channels.blocks; ++b)
        finite.note(transform_weight_gradient<Taps>(
            p + panel * kPositions * p_stride + b * kBlock * kPanel<float>, p_stride,
            order.block_channels(b), g.packed(dw + part * g.elements(), panel, b),
            g.one_vector(panel) ? 1 : 2, false));
  });
}

// Many channels: blocks of tiles are transformed for all; a task then makes one panel and block of
// channels of dw.
template <int Taps>
void grad_over_panels(const WinogradGrad<Taps>& g, int64_t block, float* dw, Finite& finite) {
  const WeightOrder& order = g.order;
  const int64_t most_v = position_stride(order.channels.blocks * block * kBlock);
  const int64_t most_s = position_stride(order.panels * block * kPanel<float>);
  Scratch activations(kPositions * (most_v + most_s) * sizeof(float));
  float* v = activations.as<float>();
  float* s = v + kPositions * most_v;
  for (int64_t first = 0; first < g.tiles.count; first += block) {
    const int64_t count = clamp(g.tiles.count - first, 0, block);
    const int64_t v_stride = position_stride(order.channels.blocks * count * kBlock);
    const int64_t s_stride = position_stride(order.panels * count * kPanel<float>);
    parallel_for(count, 4, [&](int64_t begin, int64_t end) {
      transform_activations<InputTransform>(g.x, g.tiles, g.offset_h, g.offset_w, first + begin,
                                            end - begin, 0, order.c, kBlock, v + begin * kBlock,
                                            v_stride, count * kBlock, g.zeros);
      transform_activations<GradientTransform<Taps>>(
          g.dy, g.tiles, 0, 0, first + begin, end - begin, 0, order.k, kPanel<float>,
          s + begin * kPanel<float>, s_stride, count * kPanel<float>, g.zeros);
    });
    parallel_for(order.panels * order.channels.blocks, 1, [&](int64_t begin, int64_t end) {
      const int64_t p_stride = position_stride(kBlock * kPanel<float>);
      Scratch scratch(kPositions * p_stride * sizeof(float));
      for (int64_t i = begin; i < end; ++i) {
        const int64_t panel = i / order.channels.blocks, b = i % order.channels.blocks,
                      channels = order.block_channels(b);
        add_products(g.tiles, first, v + b * count * kBlock, v_stride,
                     s + panel * count * kPanel<float>, s_stride, count, channels,
                     g.one_vector(panel), scratch.as<float>(), p_stride, false);
        finite.note(transform_weight_gradient<Taps>(scratch.as<float>(), p_stride, channels,
                                                    g.packed(dw, panel, b),
                                                    g.one_vector(panel) ? 1 : 2, first > 0));
      }
    });
  }
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

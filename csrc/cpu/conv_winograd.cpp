// Winograd convolution of 3x3, 4x4 and 5x5 kernels with stride 1 in float32: conv_winograd_tile.h has
// the mathematics, conv_winograd_tiles.h cuts images into tiles.
//
// The 36 positions of a tile are 36 matrix products over tiles, which run on implicit GEMM's
// register tiles.  Two schedules keep the operands in L2: few channels, whose transformed weights
// fit, pass over blocks of tiles; many channels pass over panels of outputs, each making its
// transformed weights when it needs them.  Inference keeps them up to 12 MB a layer.
#include "cpu/conv_winograd.h"

#include "cpu/conv_algorithms.h"
#include "cpu/conv_kept.h"
#include "cpu/conv_winograd_wgrad.h"
#include "cpu/conv_work.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int64_t kFewWeights = int64_t{1}
                                       << 16;  // c * k up to which all transformed weights are kept
inline constexpr int64_t kBlockBytes = 320 << 10;          // of V in the first schedule
inline constexpr int64_t kKeptWeights = int64_t{3} << 20;  // of U that inference keeps there
inline constexpr int64_t kLargeBytes = int64_t{12} << 20;  // of V in the second
inline constexpr int64_t kFewSums =
    1 << 14;  // c * k up to which a task keeps all sums of the gradient
inline constexpr int64_t kGradTiles = 56;                      // transformed at a time there
inline constexpr int64_t kParts = 16;                          // that are summed apart there
inline constexpr int64_t kLargeGradBytes = int64_t{12} << 20;  // of V and S elsewhere
inline constexpr int64_t kMaxDilation = 1 << 10;  // whose square many images have as phases

bool offers(ConvPass, const ConvShape& s, DType dtype) {
  bool fits = dtype == DType::float32 && s.groups == 1;
  fits &= s.in[0] == 1 && s.kernel[0] == 1 && s.out[0] == 1 && s.pad[0] == 0;
  for (int d = 1; d < kConvDims; ++d) fits &= s.stride[d] == 1 && s.dilation[d] <= kMaxDilation;
  return fits && s.kernel[1] == s.kernel[2] && s.kernel[1] >= 3 && s.kernel[1] <= 5;
}

// A call; multiply-adds of the points' products, steps over an input by register tiles; vectors
// transformed of x, of y and of weights; elements copied from and to other layouts.
bool count(ConvPass pass, const ConvShape& s, DType dtype, ConvUnits& units) {
  const int64_t* extent = pass == ConvPass::dgrad ? s.in : s.out;
  if (s.dilation[1] > extent[1] || s.dilation[2] > extent[2])
    return false;  // phases without pixels
  const PassCount a(pass, s, dtype);
  const Tiles t = cut_tiles(kWinogradIn + 1 - s.kernel[1], s.n, extent[1], extent[2], s.dilation[1],
                            s.dilation[2]);
  const auto points = [](const TileAxis& axis) {
    return static_cast<double>(axis.whole * kWinogradIn + axis.shorter * (kWinogradIn - 1));
  };
  const double tiles = static_cast<double>(t.count);
  units[0] = 1;
  units[1] = static_cast<double>(t.images) * points(t.h) * points(t.w) * a.read * a.made_vectors();
  units[2] = kPositions * whole(tiles, 14) * a.read * a.panels();
  units[3] = kPositions * tiles * a.read_vectors();
  units[4] = kPositions * tiles * a.made_vectors();
  units[5] = kPositions * a.read * a.made_vectors();
  units[6] = a.copied_in();
  units[7] = a.copied_out();
  return true;
}

// One pass: y = bias + w * x with tiles' windows beginning at (offset_h, offset_w).
struct WinogradSum {
  Pixels<const float*> x;
  Pixels<float*> y;
  Tiles tiles;
  int64_t offset_h, offset_w;
  WinogradWeights weights;
  Epilogue<float> epilogue;
  const float *bias, *zeros;  // bias in whole panels; zeros for the channels of x and a panel
  Kept* kept;

  int64_t panels() const { return ceil_div(y.c, kPanel<float>); }
  ChannelBlocks blocks() const {
    const int64_t n = ceil_div(x.c, kBlock);
    return {n, kBlock, x.c - (n - 1) * kBlock};
  }
  int vectors(int64_t panel) const { return y.c - panel * kPanel<float> > kLanes<float> ? 2 : 1; }
};

// U of all panels, blocks of channels `block_stride` apart in each of which positions are `stride`.
template <int Taps>
KeptWeights<float> all_weights(const WinogradSum& s, int64_t panel_stride, int64_t block_stride,
                               int64_t stride) {
  const int64_t panels = s.panels(), blocks = s.blocks().blocks, spare = 8 * kPanel<float>;
  const Kept::Key key{{s.y.c, s.x.c, kPositions, 1, 0, sizeof(float)}};
  return {s.kept, key, panels * panel_stride + spare, [&](float* u) {
            parallel_for(panels * blocks, 1, [&](int64_t begin, int64_t end) {
              for (int64_t i = begin; i < end; ++i) {
                const int64_t panel = i / blocks, first = i % blocks * kBlock;
                transform_weights<Taps>(s.weights, panel, first, clamp(s.x.c - first, 0, kBlock),
                                        u + panel * panel_stride + i % blocks * block_stride,
                                        stride);
              }
            });
          }};
}

// Blocks of tiles outside: V of a block and M of a panel stay in L2 while the weights pass.
template <int Taps>
void pass_over_tiles(const WinogradSum& s, Finite& finite) {
  const ChannelBlocks blocks = s.blocks();
  const int64_t panels = s.panels(), u_stride = position_stride(s.x.c * kPanel<float>);
  const KeptWeights<float> weights =
      all_weights<Taps>(s, kPositions * u_stride, kBlock * kPanel<float>, u_stride);
  const float* u = weights.data();

  const int64_t fit =
      kBlockBytes / (kPositions * blocks.blocks * kBlock * static_cast<int64_t>(sizeof(float)));
  const int64_t most = clamp(fit / 14 * 14, 14, 56),
                block = ceil_div(s.tiles.count, ceil_div(s.tiles.count, most));
  parallel_for(s.tiles.count, block, [&](int64_t begin, int64_t end) {
    const int64_t count = end - begin, block_stride = count * kBlock;
    const int64_t v_stride = position_stride(blocks.blocks * block_stride),
                  m_stride = position_stride(count * kPanel<float>);
    Scratch scratch((kPositions * (v_stride + m_stride) + kSpareTiles * kBlock) * sizeof(float));
    float* m = scratch.as<float>();
    float* v = m + kPositions * m_stride;
    transform_activations<InputTransform>(s.x, s.tiles, s.offset_h, s.offset_w, begin, count, 0,
                                          s.x.c, kBlock, v, v_stride, block_stride, s.zeros);
    for (int64_t panel = 0; panel < panels; ++panel) {
      multiply_positions(s.tiles, begin, count, v, v_stride, block_stride, blocks,
                         u + panel * kPositions * u_stride, u_stride, s.vectors(panel), m, m_stride,
                         s.zeros, false);
      finite.note(transform_outputs<Taps>(m, m_stride, s.tiles, begin, count, panel, s.bias, s.y,
                                          s.epilogue));
    }
  });
}

// Panels outside: V of many tiles is shared; a panel transforms its weights block by block, or finds
// them kept, and adds up M.
template <int Taps>
void pass_over_panels(const WinogradSum& s, Finite& finite) {
  const ChannelBlocks blocks = s.blocks();
  const int64_t tile_bytes =
      kPositions * blocks.blocks * kBlock * static_cast<int64_t>(sizeof(float));
  const int64_t most = clamp(kLargeBytes / tile_bytes / 14 * 14, 28, 168);
  const int64_t block = ceil_div(s.tiles.count, ceil_div(s.tiles.count, most));
  Scratch activations(
      (kPositions * position_stride(blocks.blocks * block * kBlock) + kSpareTiles * kBlock) *
      sizeof(float));
  float* v = activations.as<float>();
  const int64_t u_stride = position_stride(kBlock * kPanel<float>), u_block = kPositions * u_stride;
  const bool keeps = s.kept && s.panels() * blocks.blocks * u_block <= kKeptWeights;
  const float* kept =
      keeps ? all_weights<Taps>(s, blocks.blocks * u_block, u_block, u_stride).data() : nullptr;
  for (int64_t first = 0; first < s.tiles.count; first += block) {
    const int64_t count = clamp(s.tiles.count - first, 0, block), block_stride = count * kBlock;
    const int64_t v_stride = position_stride(blocks.blocks * block_stride);
    parallel_for(count, 4, [&](int64_t begin, int64_t end) {
      transform_activations<InputTransform>(s.x, s.tiles, s.offset_h, s.offset_w, first + begin,
                                            end - begin, 0, s.x.c, kBlock, v + begin * kBlock,
                                            v_stride, block_stride, s.zeros);
    });
    parallel_for(s.panels(), 1, [&](int64_t begin, int64_t end) {
      const int64_t m_stride = position_stride(count * kPanel<float>);
      Scratch scratch((kPositions * m_stride + (kept ? 0 : u_block + 8 * kPanel<float>)) *
                      sizeof(float));
      float* m = scratch.as<float>();
      float* made = m + kPositions * m_stride;
      for (int64_t panel = begin; panel < end; ++panel) {
        for (int64_t b = 0; b < blocks.blocks; ++b) {
          const int64_t channels = b + 1 == blocks.blocks ? blocks.last : kBlock;
          const float* u = kept ? kept + (panel * blocks.blocks + b) * u_block : made;
          if (!kept)
            transform_weights<Taps>(s.weights, panel, b * kBlock, channels, made, u_stride);
          multiply_positions(s.tiles, first, count, v + b * block_stride, v_stride, block_stride,
                             {1, kBlock, channels}, u, u_stride, s.vectors(panel), m, m_stride,
                             s.zeros, b > 0);
        }
        finite.note(transform_outputs<Taps>(m, m_stride, s.tiles, first, count, panel, s.bias, s.y,
                                            s.epilogue));
      }
    });
  }
}

// False where the result is not finite and must be computed otherwise.
template <int Taps>
bool run(const ConvTensor& x, const ConvTensor& y, const TapSum& sum,
         const WinogradWeights& weights, const float* bias, const Epilogue<float>& epilogue,
         Kept* kept) {
  const ChannelsLast in(x, sum.n, sum.c, sum.in[1], sum.in[2]),
      out(y, sum.n, sum.k, sum.grid[1], sum.grid[2]);
  if (in.copied()) copy_from(x, in.pixels);
  WinogradSum s{read(in.pixels),
                out.pixels,
                cut_tiles(kWinogradOut<Taps>, sum.n, sum.grid[1], sum.grid[2],
                          sum.axis[1].offset_step, sum.axis[2].offset_step),
                sum.axis[1].offset,
                sum.axis[2].offset,
                weights,
                out.copied() ? Epilogue<float>{} : epilogue,
                nullptr,
                nullptr,
                kept};
  const int64_t outputs = s.panels() * kPanel<float>,
                zeros = (sum.c > outputs ? sum.c : outputs) + kLanes<float>;
  Scratch constants((outputs + zeros) * sizeof(float));
  float* padded_bias = constants.as<float>();
  fill_zero(padded_bias, outputs + zeros);
  if (bias) copy_elements(padded_bias, bias, sum.k);
  s.bias = padded_bias;
  s.zeros = padded_bias + outputs;
  Finite finite;
  if (sum.c * sum.k <= kFewWeights)
    pass_over_tiles<Taps>(s, finite);
  else
    pass_over_panels<Taps>(s, finite);
  if (out.copied()) copy_to(out.pixels, y, epilogue);
  return finite.all();
}

constexpr decltype(&run<3>) kRuns[] = {run<3>, run<4>, run<5>};

void fprop(const ConvShape& s, DType dtype, const ConvTensor& x, const void* w,
           const kernels::ConvEpilogue& epilogue, const ConvTensor& y) {
  const int64_t taps = s.kernel[1] * s.kernel[2];
  const WinogradWeights weights{static_cast<const float*>(w), s.k, s.c, s.c * taps, taps, false};
  if (!kRuns[s.kernel[1] - 3](x, y, fprop_sum(s, x, y), weights,
                              static_cast<const float*>(epilogue.bias), {epilogue, y.data},
                              epilogue.kept))
    implicit_conv.fprop(s, dtype, x, w, epilogue, y);
}

void dgrad(const ConvShape& s, DType dtype, const ConvTensor& dy, const void* w, const void* bias,
           const ConvTensor& dx) {
  const int64_t taps = s.kernel[1] * s.kernel[2];
  const WinogradWeights weights{static_cast<const float*>(w), s.c, s.k, taps, s.c * taps, true};
  if (!kRuns[s.kernel[1] - 3](dy, dx, dgrad_sum(s, dy, dx, 0), weights,
                              static_cast<const float*>(bias), {}, nullptr))
    implicit_conv.dgrad(s, dtype, dy, w, bias, dx);
}

// False where the result is not finite and must be computed otherwise.
template <int Taps>
bool run_wgrad(const ConvShape& s, const ConvTensor& x, const ConvTensor& dy, float* dw) {
  const TapSum sum = fprop_sum(s, x, dy);
  const ChannelsLast in(x, s.n, s.c, s.in[1], s.in[2]), out(dy, s.n, s.k, s.out[1], s.out[2]);
  if (in.copied()) copy_from(x, in.pixels);
  if (out.copied()) copy_from(dy, out.pixels);
  const int64_t zeros = (s.c > s.k ? s.c : s.k) + kLanes<float>, blocks = ceil_div(s.c, kBlock);
  Scratch constants(zeros * sizeof(float));
  fill_zero(constants.as<float>(), zeros);
  const WeightOrder order{s.k,
                          s.c,
                          ceil_div(s.k, kPanel<float>),
                          {blocks, kBlock, s.c - (blocks - 1) * kBlock},
                          blocks};
  const WinogradGrad<Taps> g{
      read(in.pixels),
      read(out.pixels),
      cut_tiles(kWinogradOut<Taps>, s.n, s.out[1], s.out[2], s.dilation[1], s.dilation[2]),
      sum.axis[1].offset,
      sum.axis[2].offset,
      order,
      constants.as<float>()};
  const bool few = s.c * s.k <= kFewSums;
  int64_t parts = 1;
  while (few && parts < kParts && g.tiles.count >= 2 * parts * kGradTiles) parts *= 2;
  Scratch packed(parts * g.elements() * sizeof(float));
  Finite finite;
  if (few) {
    grad_over_tiles(g, parts, kGradTiles, packed.as<float>(), finite);
  } else {
    const int64_t tile_bytes = kPositions * (s.c + s.k) * static_cast<int64_t>(sizeof(float));
    const int64_t most = clamp(kLargeGradBytes / tile_bytes, 64, 512);
    grad_over_panels(g, ceil_div(g.tiles.count, ceil_div(g.tiles.count, most)), packed.as<float>(),
                     finite);
  }
  if (!finite.all()) return false;
  unpack_weights(packed.as<float>(), parts, g.elements(), g.kTaps, order, dw);
  return true;
}

constexpr decltype(&run_wgrad<3>) kWgradRuns[] = {run_wgrad<3>, run_wgrad<4>, run_wgrad<5>};

void wgrad(const ConvShape& s, DType dtype, const ConvTensor& x, const ConvTensor& dy, void* dw) {
  if (!kWgradRuns[s.kernel[1] - 3](s, x, dy, static_cast<float*>(dw)))
    implicit_conv.wgrad(s, dtype, x, dy, dw);
}

}  // namespace

constinit const ConvRoutines winograd_conv{&offers, &count, kWinogradCosts, &fprop, &dgrad, &wgrad};

}  // namespace lamina::cpu::LAMINA_ISA

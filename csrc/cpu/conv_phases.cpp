// 4x4 kernels with stride 2, as in DCGAN, in all three passes by their phases.
//
// Split by the parity of tap and position, such a convolution is the sum of four 2x2 convolutions
// with stride 1 of every second pixel, and its transpose is four of them, one for each parity of the
// output (sub-pixel convolution).  Each runs by Winograd's F(4, 2) (conv_phases.h):
//
//   fprop   y = A^T [sum over phases, c of U[phase, c, k] * V[phase, c]] A      V = B^T x B
//   dgrad   dx[phase] = A^T [sum over k of U[phase, k, c] * V[phase, k]] A      V = B^T dy B
//   wgrad   dw[phase] = G^T [sum over tiles of V[phase, c] * D[k]] G            D = A dy A^T
//
// as 25 (dgrad 100) matrix products over the tiles of a block, on implicit GEMM's register tiles.  V
// of a block is shared by all tasks and stays in L3; a task makes the transformed weights of one
// panel of outputs when it needs them, which with its products stay in L2.
// Bound by the multiply-adds of these products, 0.39 of the direct sum's, and where tiles are few by
// transforming the weights: on one Zen 5 core 16 images take, counted as direct convolution, 445 to
// 525 GFLOP/s for 256 to 128 channels at 16x16 and 360 for 512 to 256 at 8x8 (of 265 that the
// multiply-adds could do directly); two cores are 1.6 to 2 times as fast.
#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/conv_algorithms.h"
#include "cpu/conv_phases_tiles.h"
#include "cpu/conv_wgrad.h"
#include "cpu/conv_work.h"
#include "cpu/lanes.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

constexpr int64_t kBlockBytes = 12 << 20;  // of transformed activations
constexpr int64_t kMostTiles = 168;        // of a task: their products stay in L2
constexpr int64_t kLeastTiles = 28;        // that pay for transforming weights again
constexpr int64_t kGradTiles = 256;        // that are summed in one go: longer sums round more
constexpr int64_t kPhaseTasks = 16;        // wanted, to share work evenly

int64_t even_block(int64_t tiles, int64_t tile_bytes, int64_t limit = INT64_MAX) {
  const int64_t most = clamp(kBlockBytes / tile_bytes / 14 * 14, 2 * kLeastTiles, limit);
  return ceil_div(tiles, larger(1, ceil_div(tiles, most)));
}

// How many tasks share the tiles of a block for one panel of outputs.
int64_t tile_parts(int64_t tiles, int64_t panels) {
  const int64_t wanted = clamp(ceil_div(kPhaseTasks, panels), 1, larger(1, tiles / kLeastTiles));
  return larger(wanted, ceil_div(tiles, kMostTiles));
}

// Activations in blocks of channels, with all their phases or without.
ChannelBlocks phase_blocks(int64_t channels, int64_t width) {
  const int64_t n = ceil_div(channels, width);
  return {n, width, channels - (n - 1) * width};
}

// fprop, or one of dgrad's four sums: reads x in `blocks`, makes y at output_h, output_w and every
// `step`-th pixel from there.
struct PhaseSum {
  Pixels<const float*> x;
  Pixels<float*> y;
  PhaseTiles tiles;  // of a sum's outputs
  const float* w;    // packed: [panel][block][tap][channel][kPanel]
  WeightOrder order;
  const int64_t* pad;
  bool transposed;            // dgrad
  const float *bias, *zeros;  // bias in whole panels; zeros for the channels of x and a panel
  Epilogue<float> epilogue;

  int sums() const { return transposed ? kPhases : 1; }
  bool odd(int sum, int d) const { return ((d == 0 ? sum / 2 : sum % 2) & pad[d] & 1) != 0; }

  void transform_activations(int64_t first, int64_t count, int64_t begin, int64_t end, float* v,
                             int64_t stride) const;
  void transform_weights(int sum, int64_t panel, int64_t block, float* u, int64_t stride) const;
  void transform_outputs(int sum, int64_t panel, const float* m, int64_t stride, int64_t first,
                         int64_t count, Finite& finite) const;
  bool run() const;
};

// V of all sums for tiles [begin, end) of the block of `count` from `first` on.
void PhaseSum::transform_activations(int64_t first, int64_t count, int64_t begin, int64_t end,
                                     float* v, int64_t stride) const {
  if (!transposed)
    return transform_large(x, tiles, pad, first + begin, end - begin, v + begin * kBlock, stride,
                           count * kBlock, zeros);
  // Position 2 j + r of dx meets dy at j + pad / 2 + (r and pad odd) + {-1, 0}.
  for (int s = 0; s < kPhases; ++s)
    transform_small<ToPoints>(x, tiles, pad[0] / 2 - 1 + odd(s, 0), pad[1] / 2 - 1 + odd(s, 1),
                              first + begin, end - begin, kBlock,
                              v + s * kPhaseProducts * stride + begin * kBlock, stride,
                              count * kBlock, zeros);
}

// U of one panel and block, [point][row of V's block][kPanel].
void PhaseSum::transform_weights(int sum, int64_t panel, int64_t block, float* u,
                                 int64_t stride) const {
  constexpr int n = kLanes<float>;
  const int64_t length = order.block_channels(block), tap = length * kPanel<float>;
  const float* from = w + kPhaseTaps * order.before_block(panel, block) * kPanel<float>;
  const int vectors = order.k - panel * kPanel<float> > n ? 2 : 1;
  // The taps of parity (h, l); dgrad meets those of falling positions.
  const auto put = [&](int h, int l, int64_t c, int64_t row) __attribute__((always_inline)) {
    for (int v = 0; v < vectors; ++v) {
      const float* at = from + c * kPanel<float> + v * n;
      float* to = u + row * kPanel<float> + v * n;
      const int last = transposed ? 1 : 0;
      transform_square<TapsToPoints>(
          [&](int a, int b) __attribute__((always_inline)) {
            return load(at + ((2 * (a ^ last) + h) * 4 + 2 * (b ^ last) + l) * tap);
          },
          [&](int a, int b, F value) __attribute__((always_inline)) {
            store(to + (a * kPhaseReads + b) * stride, value);
          });
    }
  };
  if (transposed) {
    const int h = sum / 2 ^ static_cast<int>(pad[0] & 1),
              l = sum % 2 ^ static_cast<int>(pad[1] & 1);
    for (int64_t c = 0; c < length; ++c) put(h, l, c, c);
    return;
  }
  for (int64_t c = 0; c < length; ++c)
    for (int p = 0; p < kPhases; ++p) put(p / 2, p % 2, c, p * kPhaseWidth + c);
  for (int point = 0; point < kPhaseProducts; ++point)  // V is zero there
    for (int p = 0; p < kPhases; ++p)
      fill_zero(u + point * stride + (p * kPhaseWidth + length) * kPanel<float>,
                (kPhaseWidth - length) * kPanel<float>);
}

// y = bias + the inverse transform of M for tiles [first, first + count) and the outputs of a panel.
void PhaseSum::transform_outputs(int sum, int64_t panel, const float* m, int64_t stride,
                                 int64_t first, int64_t count, Finite& finite) const {
  constexpr int n = kLanes<float>;
  const int64_t step = transposed ? 2 : 1, begin_h = transposed ? sum / 2 : 0,
                begin_w = transposed ? sum % 2 : 0;
  F doubt{};
  for (int64_t t = 0; t < count; ++t) {
    const PhaseTiles::Place at = tiles.at(first + t);
    const int64_t h = at.h * step + begin_h, w = at.w * step + begin_w;
    const int64_t rows = ceil_div(y.h - h, step), columns = ceil_div(y.w - w, step);
    for (int64_t k = panel * kPanel<float>; k < smaller(y.c, (panel + 1) * kPanel<float>); k += n) {
      const int lanes = static_cast<int>(clamp(y.c - k, 0, n));
      const float* from = m + t * kPanel<float> + k % kPanel<float>;
      float* to = y.data + at.n * y.n_stride + h * y.h_stride + w * y.w_stride + k;
      const F added = load(bias + k);
      transform_square<FromPoints>(
          [&](int i, int j) __attribute__((always_inline)) {
            return load(from + (i * kPhaseReads + j) * stride);
          },
          [&](int i, int j, F value) __attribute__((always_inline)) {
            if (i >= rows || j >= columns) return;
            float* pixel = to + i * step * y.h_stride + j * step * y.w_stride;
            value += added;
            if (lanes < n) {  // what is in the other lanes is nobody's
              store_partial(pixel, value, lanes);
              value = load_partial(pixel, lanes);
            }
            doubt += value * 0.0f;
            store_lanes(pixel, epilogue.apply(value, pixel, lanes), lanes);
          });
    }
  }
  finite.note(doubt);
}

// False where the result is not finite and must be computed otherwise.
bool PhaseSum::run() const {
  const int64_t blocks = order.channels.blocks, panels = order.panels,
                planes = sums() * kPhaseProducts;
  const int64_t block =
      even_block(tiles.count, planes * blocks * kBlock * static_cast<int64_t>(sizeof(float)));
  Scratch activations((planes * position_stride(blocks * block * kBlock) + kSpareTiles * kBlock) *
                      sizeof(float));
  float* v = activations.as<float>();
  const int64_t run = 0;
  Finite finite;
  for (int64_t first = 0; first < tiles.count; first += block) {
    const int64_t count = smaller(tiles.count - first, block);
    const int64_t v_stride = position_stride(blocks * count * kBlock);
    parallel_for(count, 4, [&](int64_t begin, int64_t end) {
      transform_activations(first, count, begin, end, v, v_stride);
    });
    const int64_t parts = tile_parts(count, panels * sums());
    parallel_for(panels * sums() * parts, 1, [&](int64_t task, int64_t) {
      const int64_t part = task % parts, panel = task / parts % panels;
      const int sum = static_cast<int>(task / parts / panels);
      const int64_t begin = count * part / parts, size = count * (part + 1) / parts - begin;
      const int64_t u_stride = position_stride(kBlock * kPanel<float>),
                    m_stride = position_stride(size * kPanel<float>);
      const TileKernel<float>& tile = fitting_tile(size);
      const int vectors = order.k - panel * kPanel<float> > kLanes<float> ? 2 : 1;
      Scratch scratch((kPhaseProducts * (u_stride + m_stride) + 8 * kPanel<float>)*sizeof(float));
      float* m = scratch.as<float>();
      float* u = m + kPhaseProducts * m_stride;
      for (int64_t b = 0; b < blocks; ++b) {
        transform_weights(sum, panel, b, u, u_stride);
        const int64_t depth = transposed ? order.block_channels(b) : kBlock;
        const TileSlice<float> slice{kBlock, &run, 1, kBlock, 1, 0, depth, kPanel<float>, 1, b > 0};
        for (int point = 0; point < kPhaseProducts; ++point)
          multiply_rows(
              tile, slice, 0, size,
              v + (sum * kPhaseProducts + point) * v_stride + (b * count + begin) * kBlock,
              u + point * u_stride, vectors, m + point * m_stride, zeros);
      }
      transform_outputs(sum, panel, m, m_stride, first + begin, size, finite);
    });
  }
  return finite.all();
}

// w[k * stride_k + c * stride_c + tap] for `made` outputs k.
bool run(const ConvShape& s, bool transposed, const ConvTensor& x, const ConvTensor& y,
         const float* w, const float* bias, const Epilogue<float>& epilogue) {
  const int64_t* x_extent = transposed ? s.out : s.in;
  const int64_t* y_extent = transposed ? s.in : s.out;
  const int64_t c = transposed ? s.k : s.c, k = transposed ? s.c : s.k, step = transposed ? 2 : 1;
  const ChannelsLast in(x, s.n, c, x_extent[1], x_extent[2]),
      out(y, s.n, k, y_extent[1], y_extent[2]);
  if (in.copied()) copy_from(x, in.pixels);

  const ChannelBlocks blocks = phase_blocks(c, transposed ? kBlock : kPhaseWidth);
  const WeightOrder order{k, c, ceil_div(k, kPanel<float>), blocks, blocks.blocks};
  const int64_t outputs = order.panels * kPanel<float>, zeros = larger(c, outputs) + kBlock;
  Scratch packed(kPhaseTaps * outputs * c * sizeof(float)),
      constants((outputs + zeros) * sizeof(float));
  TapSlot<float> slots[kPhaseTaps];
  for (int t = 0; t < kPhaseTaps; ++t) slots[t] = {packed.as<float>(), kPhaseTaps, t};
  pack_weights(w, transposed ? kPhaseTaps : s.c * kPhaseTaps,
               transposed ? s.c * kPhaseTaps : kPhaseTaps, kPhaseTaps, order, slots);
  float* padded_bias = constants.as<float>();
  fill_zero(padded_bias, outputs + zeros);
  if (bias) copy_elements(padded_bias, bias, k);

  const PhaseSum sum{read(in.pixels),
                     out.pixels,
                     {s.n, ceil_div(y_extent[1], step), ceil_div(y_extent[2], step)},
                     packed.as<float>(),
                     order,
                     s.pad + 1,
                     transposed,
                     padded_bias,
                     padded_bias + outputs,
                     out.copied() ? Epilogue<float>{} : epilogue};
  const bool finite = sum.run();
  if (out.copied()) copy_to(out.pixels, y, epilogue);
  return finite;
}

void fprop(const ConvShape& s, DType dtype, const ConvTensor& x, const void* w,
           const kernels::ConvEpilogue& after, const ConvTensor& y) {
  if (!run(s, false, x, y, static_cast<const float*>(w), static_cast<const float*>(after.bias),
           {after, y.data}))
    implicit_conv.fprop(s, dtype, x, w, after, y);
}

void dgrad(const ConvShape& s, DType dtype, const ConvTensor& dy, const void* w, const void* bias,
           const ConvTensor& dx) {
  if (!run(s, true, dy, dx, static_cast<const float*>(w), static_cast<const float*>(bias), {}))
    implicit_conv.dgrad(s, dtype, dy, w, bias, dx);
}

// dw of one panel and block, [tap][channel][kPanel], (+)= the inverse transform of the sums p.
void transform_gradient(const float* p, int64_t stride, int64_t channels, int vectors,
                        bool accumulate, float* dw, Finite& finite) {
  F doubt{};
  for (int64_t c = 0; c < channels; ++c)
    for (int phase = 0; phase < kPhases; ++phase)
      for (int64_t v = 0; v < vectors * kLanes<float>; v += kLanes<float>) {
        const float* from = p + (phase * kPhaseWidth + c) * kPanel<float> + v;
        float* to = dw + c * kPanel<float> + v;
        transform_square<PointsToTaps>(
            [&](int i, int j) __attribute__((always_inline)) {
              return load(from + (i * kPhaseReads + j) * stride);
            },
            [&](int a, int b, F g) __attribute__((always_inline)) {
              const int tap = (2 * a + phase / 2) * 4 + 2 * b + phase % 2;
              float* at = to + tap * channels * kPanel<float>;
              doubt += 0.0f * g;
              store(at, accumulate ? load(at) + g : g);
            });
      }
  finite.note(doubt);
}

void wgrad(const ConvShape& s, DType dtype, const ConvTensor& x, const ConvTensor& dy, void* dw) {
  const ChannelsLast in(x, s.n, s.c, s.in[1], s.in[2]), out(dy, s.n, s.k, s.out[1], s.out[2]);
  if (in.copied()) copy_from(x, in.pixels);
  if (out.copied()) copy_from(dy, out.pixels);
  const PhaseTiles tiles(s.n, s.out[1], s.out[2]);
  const ChannelBlocks channels = phase_blocks(s.c, kPhaseWidth);
  const int64_t blocks = channels.blocks, panels = ceil_div(s.k, kPanel<float>);
  const WeightOrder order{s.k, s.c, panels, channels, blocks};
  const int64_t zero_count = larger(s.c, s.k) + kLanes<float>;
  Scratch zeros(zero_count * sizeof(float)),
      packed(kPhaseTaps * panels * kPanel<float> * s.c * sizeof(float));
  fill_zero(zeros.as<float>(), zero_count);

  const int64_t tile_elements = blocks * kBlock + panels * kPanel<float>;
  const int64_t block =
      even_block(tiles.count, kPhaseProducts * tile_elements * static_cast<int64_t>(sizeof(float)),
                 kGradTiles);
  const int64_t most_v = position_stride(blocks * block * kBlock),
                most_d = position_stride(panels * block * kPanel<float>);
  Scratch activations(kPhaseProducts * (most_v + most_d) * sizeof(float));
  float* v = activations.as<float>();
  float* d = v + kPhaseProducts * most_v;  // [point][panel][tile][kPanel]
  const int64_t row = 0;
  Finite finite;
  for (int64_t first = 0; first < tiles.count; first += block) {
    const int64_t count = smaller(tiles.count - first, block);
    const int64_t v_stride = position_stride(blocks * count * kBlock),
                  d_stride = position_stride(panels * count * kPanel<float>);
    parallel_for(count, 4, [&](int64_t begin, int64_t end) {
      transform_large(read(in.pixels), tiles, s.pad + 1, first + begin, end - begin,
                      v + begin * kBlock, v_stride, count * kBlock, zeros.as<float>());
      transform_small<GradToPoints>(read(out.pixels), tiles, 0, 0, first + begin, end - begin,
                                    kPanel<float>, d + begin * kPanel<float>, d_stride,
                                    count * kPanel<float>, zeros.as<float>());
    });
    parallel_for(panels * blocks, 1, [&](int64_t task, int64_t) {
      const int64_t panel = task / blocks, b = task % blocks;
      const int64_t p_stride = position_stride(kBlock * kPanel<float>);
      const int vectors = s.k - panel * kPanel<float> > kLanes<float> ? 2 : 1;
      constexpr int64_t kRows = (kBlock + kGradRows - 1) / kGradRows,
                        kMost = (kBlock + kRows - 1) / kRows;
      const GradTile<float> tile = choose_grad_tile<float>(kMost, vectors == 1);
      const GradBox box{&row, 1, count, kBlock};
      Scratch scratch(kPhaseProducts * p_stride * sizeof(float));
      float* p = scratch.as<float>();
      for (int point = 0; point < kPhaseProducts; ++point)
        for (int64_t r = 0; r < kBlock; r += kMost)
          tile(box, v + point * v_stride + b * count * kBlock + r,
               d + point * d_stride + panel * count * kPanel<float>,
               p + point * p_stride + r * kPanel<float>,
               static_cast<int>(smaller(kBlock - r, kMost)), false);
      transform_gradient(
          p, p_stride, order.block_channels(b), vectors, first > 0,
          packed.as<float>() + kPhaseTaps * order.before_block(panel, b) * kPanel<float>, finite);
    });
  }
  if (!finite.all()) return implicit_conv.wgrad(s, dtype, x, dy, dw);
  unpack_weights(packed.as<float>(), 1, 0, kPhaseTaps, order, static_cast<float*>(dw));
}

bool offers(ConvPass, const ConvShape& s, DType dtype) {
  bool fits = dtype == DType::float32 && s.groups == 1 && s.in[0] == 1 && s.out[0] == 1 &&
              s.kernel[0] == 1 && s.pad[0] == 0;
  for (int d = 1; d < kConvDims; ++d)
    fits &= s.kernel[d] == 4 && s.stride[d] == 2 && s.dilation[d] == 1 && s.pad[d] < (1 << 20);
  return fits;
}

// A call; multiply-adds of the points' products in whole register tiles, and their steps over an
// input; vectors transformed of weights and of the pixels' sides; elements copied from and to other
// layouts.
bool count(ConvPass pass, const ConvShape& s, DType dtype, ConvUnits& units) {
  const PassCount a(pass, s, dtype);
  const bool dgrad = pass == ConvPass::dgrad, wgrad = pass == ConvPass::wgrad;
  const PhaseTiles t(s.n, dgrad ? (s.in[1] + 1) / 2 : s.out[1],
                     dgrad ? (s.in[2] + 1) / 2 : s.out[2]);
  constexpr double kPoints = kPhases * kPhaseProducts;
  const double tiles = static_cast<double>(t.count);
  // fprop and wgrad read 16 channels of every phase at a time.
  const double read = dgrad ? a.read : kPhaseWidth * whole(a.read, kPhaseWidth);
  const int64_t sums = dgrad ? kPhases : 1;
  const int64_t planes = kPhaseProducts * sums * static_cast<int64_t>(sizeof(float));
  double weights = kPoints * a.read * a.made_vectors();
  if (!wgrad) {  // a task transforms them for its tiles
    const double bytes = static_cast<double>(planes) * read * (dgrad ? 1 : kPhases);
    const int64_t block = even_block(t.count, static_cast<int64_t>(bytes < 1e12 ? bytes : 1e12));
    const double panels = a.panels() * static_cast<double>(sums);
    weights *=
        static_cast<double>(tile_parts(block, static_cast<int64_t>(panels < 1e9 ? panels : 1e9)));
    weights *= whole(tiles, static_cast<double>(block));
  }
  units[0] = 1;
  units[1] = kPoints * tiles * read * a.made_vectors();
  units[2] = kPoints * read * a.panels() * (wgrad ? 1 : whole(tiles, 14));
  units[3] = weights;
  units[4] = kPoints * tiles * a.read_vectors();
  units[5] = (dgrad ? kPoints : kPhaseProducts) * tiles * a.made_vectors();
  units[6] = a.copied_in();
  units[7] = a.copied_out();
  return true;
}

}  // namespace

constinit const ConvRoutines phases_conv{&offers, &count, kPhasesCosts, &fprop, &dgrad, &wgrad};

}  // namespace lamina::cpu::LAMINA_ISA

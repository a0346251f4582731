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
// as 25 (dgrad 100) matrix products over the tiles of a block, which with its products stays in L3.
// Bound by the multiply-adds of these products, 0.39 of the direct sum's, where there are positions
// enough to pay for transforming the weights: on one Zen 5 core 128 to 64 channels at 16x16, batch
// 16, took 9.3 ms for the three passes instead of 15.2; with 1024 positions the two are level.
#include "cpu/conv_phases.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/conv_algorithms.h"
#include "cpu/conv_epilogue.h"
#include "cpu/conv_finite.h"
#include "cpu/conv_pack_image.h"
#include "cpu/conv_work.h"
#include "cpu/gemm.h"
#include "cpu/lanes.h"
#include "cpu/shuffle.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

constexpr int kPhases = 4, kTaps = 16;
constexpr int64_t kBlockBytes = 12 << 20;  // of transformed tiles and their products

// The tiles of all images, in rows: row i holds the tiles of tile row i % down of image i / down.
struct TileRows {
  int64_t rows, down, across;
};

TileRows cut_rows(int64_t n, int64_t height, int64_t width) {
  const int64_t down = ceil_div(height, kPhaseTile), across = ceil_div(width, kPhaseTile);
  return {n * down, down, across};
}

// f(first row, rows) for blocks of rows of tiles whose `tile_bytes` fit together.
template <class Body>
void for_each_block(const TileRows& t, int64_t tile_bytes, const Body& f) {
  const int64_t most = clamp(kBlockBytes / (tile_bytes * t.across), 1, t.rows);
  const int64_t blocks = ceil_div(t.rows, most);
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t begin = t.rows * b / blocks, end = t.rows * (b + 1) / blocks;
    f(begin, end - begin);
  }
}

// A box of an activation with its padding, [h][w][c].
struct Packed {
  const float* data;
  int64_t row, pixel;
};

// f(image, tile row in the image, row in the block, box) in parallel, the box being `height` rows of
// `a` from tile row * step + begin on, and as many pixels as the row of tiles takes.
template <class Body>
void for_each_row(const ConvTensor& a, const int64_t* in, int64_t channels, const TileRows& t,
                  int64_t first, int64_t rows, int64_t step, int64_t begin, int64_t begin_w,
                  int64_t height, const Body& f) {
  const int64_t width = step * (t.across - 1) + height;
  parallel_for(rows, 1, [&](int64_t from, int64_t to) {
    Scratch scratch((height * width * channels + kLanes<float>)*sizeof(float));
    for (int64_t i = from; i < to; ++i) {
      const int64_t n = (first + i) / t.down, th = (first + i) % t.down;
      const ImageBox<float> box{static_cast<const float*>(a.data),
                                a.stride,
                                in,
                                n,
                                1,
                                {0, th * step + begin, begin_w},
                                {1, height, width},
                                {1, channels, channels}};
      pack_image(box, scratch.as<float>());
      f(n, th, i, Packed{scratch.as<float>(), width * channels, channels});
    }
  });
}

// to[point * plane + c] for the channels c of a tile: the transform of its pixels, `pitch` apart.
template <class Transform>
void transform_tile(const Packed& box, const float* tile, int64_t pitch, int64_t channels,
                    float* to, int64_t plane) {
  for (int64_t c = 0; c < channels; c += kLanes<float>) {
    const int lanes = static_cast<int>(clamp(channels - c, 1, kLanes<float>));
    transform_square<Transform>(
        [&](int i, int j) { return load(tile + pitch * (i * box.row + j * box.pixel) + c); },
        [&](int i, int j, F v) { store_lanes(to + (i * kPhaseReads + j) * plane + c, v, lanes); });
  }
}

// V [point][tile][phase][c] of the larger side's tiles, whose phase p reads pixels 2 i + p - pad.
void transform_large(const ConvShape& s, const ConvTensor& x, const TileRows& t, int64_t first,
                     int64_t rows, float* v) {
  const int64_t row = kPhases * s.c, plane = rows * t.across * row;
  for_each_row(x, s.in, s.c, t, first, rows, 2 * kPhaseTile, -s.pad[1], -s.pad[2], 2 * kPhaseReads,
               [&](int64_t, int64_t, int64_t i, const Packed& box) {
                 for (int64_t tw = 0; tw < t.across; ++tw)
                   for (int p = 0; p < kPhases; ++p)
                     transform_tile<ToPoints>(
                         box,
                         box.data + (p / 2) * box.row + (2 * kPhaseTile * tw + p % 2) * box.pixel,
                         2, s.c, v + (i * t.across + tw) * row + p * s.c, plane);
               });
}

// The 25 points of the taps of every phase: store(phase, point, row, column, vector, lanes) with
// vectors along `columns`; w[row * row_step + column * column_step + tap].  reversed: taps of falling
// positions, for dgrad; odd: whether a phase holds the taps of the other parity.
template <class Put>
void transform_weights(const float* w, int64_t rows, int64_t row_step, int64_t columns,
                       int64_t column_step, bool reversed, const bool (&odd)[2], const Put& put) {
  constexpr int n = kLanes<float>;
  const int64_t vectors = ceil_div(columns, n);
  parallel_for(rows * vectors, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i / vectors, column = i % vectors * n;
      const int lanes = static_cast<int>(clamp(columns - column, 1, n));
      F tap[kTaps];
      for (int first = 0; first < kTaps; first += n) {
        F square[n];
        for (int l = 0; l < n; ++l)
          square[l] =
              l < lanes ? load(w + row * row_step + (column + l) * column_step + first) : F{};
        transpose_lanes<float>(square);
        for (int l = 0; l < n; ++l) tap[first + l] = square[l];
      }
      for (int p = 0; p < kPhases; ++p) {
        const int h = (p / 2) ^ odd[0], l = (p % 2) ^ odd[1];
        transform_square<TapsToPoints>(
            [&](int a, int b) {
              return tap[(2 * (reversed ? 1 - a : a) + h) * 4 + 2 * (reversed ? 1 - b : b) + l];
            },
            [&](int a, int b, F u) { put(p, a * kPhaseReads + b, row, column, u, lanes); });
      }
    }
  });
}

// Where a tile's outputs go: strides in y, and how far y reaches from the tile on.
struct PhasePlace {
  float* to;
  int64_t stride_c, stride_h, stride_w, height, width;
};

// The outputs of a tile from its products m, plus the bias.
void store_tile(const float* m, int64_t plane, int64_t channels, const float* bias,
                const PhasePlace& place, const Epilogue<float>& epilogue, Finite& finite) {
  F zeros{};
  for (int64_t c = 0; c < channels; c += kLanes<float>) {
    const int lanes = static_cast<int>(clamp(channels - c, 1, kLanes<float>));
    const F added = bias ? load_lanes(bias + c, lanes) : F{};
    transform_square<FromPoints>(
        [&](int i, int j) { return load_lanes(m + (i * kPhaseReads + j) * plane + c, lanes); },
        [&](int i, int j, F v) {
          if (i >= place.height || j >= place.width) return;
          float* at = place.to + i * place.stride_h + j * place.stride_w + c * place.stride_c;
          const F y = v + added;
          zeros += 0.0f * y;
          if (place.stride_c == 1)
            store_lanes(at, epilogue.apply(y, at, lanes), lanes);
          else
            for (int l = 0; l < lanes; ++l)
              at[l * place.stride_c] = epilogue.apply(y[l], at + l * place.stride_c);
        });
  }
  finite.note(zeros);
}

void fprop(const ConvShape& s, DType dtype, const ConvTensor& x, const void* w,
           const kernels::ConvEpilogue& after, const ConvTensor& y) {
  const Epilogue<float> epilogue(after, y.data);
  Finite finite;
  const TileRows t = cut_rows(s.n, s.out[1], s.out[2]);
  const int64_t depth = kPhases * s.c, tile_bytes = kPhaseProducts * (depth + s.k) * 4;
  Scratch weights(kPhaseProducts * depth * s.k * sizeof(float));
  float* u = weights.as<float>();  // [point][phase][c][k]
  transform_weights(static_cast<const float*>(w), s.c, kTaps, s.k, s.c * kTaps, false,
                    {false, false},
                    [&](int p, int point, int64_t c, int64_t k, F value, int lanes) {
                      store_lanes(u + ((point * kPhases + p) * s.c + c) * s.k + k, value, lanes);
                    });
  for_each_block(t, tile_bytes, [&](int64_t first, int64_t rows) {
    const int64_t tiles = rows * t.across;
    Scratch scratch(tiles * tile_bytes);
    float *v = scratch.as<float>(), *m = v + kPhaseProducts * tiles * depth;
    transform_large(s, x, t, first, rows, v);
    parallel_for(kPhaseProducts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p)
        gemm<float>(tiles, s.k, depth, Strided<float>{v + p * tiles * depth, depth, 1},
                    Strided<float>{u + p * depth * s.k, 1, s.k},
                    Result<float>{m + p * tiles * s.k, s.k});
    });
    parallel_for(rows, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t n = (first + i) / t.down, h = (first + i) % t.down * kPhaseTile;
        for (int64_t tw = 0; tw < t.across; ++tw)
          store_tile(
              m + (i * t.across + tw) * s.k, tiles * s.k, s.k,
              static_cast<const float*>(after.bias),
              {static_cast<float*>(y.data) + n * y.stride[0] + h * y.stride[3] +
                   tw * kPhaseTile * y.stride[4],
               y.stride[1], y.stride[3], y.stride[4], s.out[1] - h, s.out[2] - tw * kPhaseTile},
              epilogue, finite);
      }
    });
  });
  if (!finite.all()) implicit_conv.fprop(s, dtype, x, w, after, y);
}

void dgrad(const ConvShape& s, DType dtype, const ConvTensor& dy, const void* w, const void* bias,
           const ConvTensor& dx) {
  // Position 2 j + r of dx meets dy at j + low + shift + {-1, 0} through taps of parity r + pad.
  const TileRows t = cut_rows(s.n, (s.in[1] + 1) / 2, (s.in[2] + 1) / 2);
  Finite finite;
  const bool odd[2] = {(s.pad[1] & 1) != 0, (s.pad[2] & 1) != 0};
  const int64_t low[2] = {s.pad[1] / 2, s.pad[2] / 2};
  const int64_t tile_bytes = kPhases * kPhaseProducts * (s.k + s.c) * 4;
  const int64_t products = kPhases * kPhaseProducts;
  Scratch weights(products * s.k * s.c * sizeof(float));
  float* u = weights.as<float>();  // [phase][point][k][c]
  transform_weights(static_cast<const float*>(w), s.k, s.c * kTaps, s.c, kTaps, true, odd,
                    [&](int p, int point, int64_t k, int64_t c, F value, int lanes) {
                      store_lanes(u + ((p * kPhaseProducts + point) * s.k + k) * s.c + c, value,
                                  lanes);
                    });
  for_each_block(t, tile_bytes, [&](int64_t first, int64_t rows) {
    const int64_t tiles = rows * t.across, plane = tiles * s.k;
    Scratch scratch(tiles * tile_bytes);
    float *v = scratch.as<float>(), *m = v + products * plane;
    for_each_row(dy, s.out, s.k, t, first, rows, kPhaseTile, low[0] - 1, low[1] - 1,
                 kPhaseReads + 1, [&](int64_t, int64_t, int64_t i, const Packed& box) {
                   for (int64_t tw = 0; tw < t.across; ++tw)
                     for (int p = 0; p < kPhases; ++p) {
                       const int64_t h = (p / 2) & odd[0], l = (p % 2) & odd[1];
                       transform_tile<ToPoints>(
                           box, box.data + h * box.row + (tw * kPhaseTile + l) * box.pixel, 1, s.k,
                           v + p * kPhaseProducts * plane + (i * t.across + tw) * s.k, plane);
                     }
                 });
    parallel_for(products, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p)
        gemm<float>(tiles, s.c, s.k, Strided<float>{v + p * plane, s.k, 1},
                    Strided<float>{u + p * s.k * s.c, 1, s.c},
                    Result<float>{m + p * tiles * s.c, s.c});
    });
    parallel_for(rows, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        for (int64_t tw = 0; tw < t.across; ++tw)
          for (int p = 0; p < kPhases; ++p) {
            const int64_t n = (first + i) / t.down;
            const int64_t h = (first + i) % t.down * kPhaseTile * 2 + p / 2,
                          l = tw * kPhaseTile * 2 + p % 2;
            store_tile(m + (p * kPhaseProducts * tiles + i * t.across + tw) * s.c, tiles * s.c, s.c,
                       static_cast<const float*>(bias),
                       {static_cast<float*>(dx.data) + n * dx.stride[0] + h * dx.stride[3] +
                            l * dx.stride[4],
                        dx.stride[1], 2 * dx.stride[3], 2 * dx.stride[4], (s.in[1] - h + 1) / 2,
                        (s.in[2] - l + 1) / 2},
                       {}, finite);
          }
    });
  });
  if (!finite.all()) implicit_conv.dgrad(s, dtype, dy, w, bias, dx);
}

void wgrad(const ConvShape& s, DType dtype, const ConvTensor& x, const ConvTensor& dy, void* dw) {
  const TileRows t = cut_rows(s.n, s.out[1], s.out[2]);
  const int64_t depth = kPhases * s.c, tile_bytes = kPhaseProducts * (depth + s.k) * 4;
  Scratch sums(kPhaseProducts * depth * s.k * sizeof(float));
  float* sum = sums.as<float>();  // [point][phase][c][k]
  for_each_block(t, tile_bytes, [&](int64_t first, int64_t rows) {
    const int64_t tiles = rows * t.across, plane = tiles * s.k;
    Scratch scratch(tiles * tile_bytes);
    float *v = scratch.as<float>(), *d = v + kPhaseProducts * tiles * depth;
    transform_large(s, x, t, first, rows, v);
    for_each_row(dy, s.out, s.k, t, first, rows, kPhaseTile, 0, 0, kPhaseTile,
                 [&](int64_t, int64_t, int64_t i, const Packed& box) {
                   for (int64_t tw = 0; tw < t.across; ++tw)
                     transform_tile<GradToPoints>(box, box.data + tw * kPhaseTile * box.pixel, 1,
                                                  s.k, d + (i * t.across + tw) * s.k, plane);
                 });
    parallel_for(kPhaseProducts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        float* to = sum + p * depth * s.k;
        gemm<float>(depth, s.k, tiles, Strided<float>{v + p * tiles * depth, 1, depth},
                    Strided<float>{d + p * plane, 1, s.k},
                    Result<float>{to, s.k, first > 0 ? to : nullptr, s.k, 1});
      }
    });
  });
  // dw[k][c][tap] from vectors along k.
  Finite finite;
  parallel_for(s.c, 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c)
      for (int64_t k = 0; k < s.k; k += kLanes<float>) {
        const int lanes = static_cast<int>(clamp(s.k - k, 1, kLanes<float>));
        F zeros{};
        for (int p = 0; p < kPhases; ++p)
          transform_square<PointsToTaps>(
              [&](int i, int j) {
                const int point = i * kPhaseReads + j;
                return load_lanes(sum + ((point * kPhases + p) * s.c + c) * s.k + k, lanes);
              },
              [&](int a, int b, F g) {
                float* to = static_cast<float*>(dw) + (k * s.c + c) * kTaps + (2 * a + p / 2) * 4 +
                            2 * b + p % 2;
                for (int l = 0; l < lanes; ++l) to[l * s.c * kTaps] = g[l];
                zeros += 0.0f * g;
              });
        finite.note(zeros);
      }
  });
  if (!finite.all()) implicit_conv.wgrad(s, dtype, x, dy, dw);
}

bool offers(ConvPass, const ConvShape& s, DType dtype) {
  bool fits = dtype == DType::float32 && s.groups == 1 && s.in[0] == 1 && s.out[0] == 1 &&
              s.kernel[0] == 1 && s.pad[0] == 0;
  for (int d = 1; d < kConvDims; ++d)
    fits &= s.kernel[d] == 4 && s.stride[d] == 2 && s.dilation[d] == 1 && s.pad[d] < (1 << 20);
  return fits;
}

inline constexpr double kMostWeights = 1 << 22;  // transformed, of a call: 16 MB

// A call; multiply-adds of the points' products; vectors transformed of the pixels' sides and of
// weights; elements copied from and to other layouts.
bool count(ConvPass pass, const ConvShape& s, DType dtype, ConvUnits& units) {
  const PassCount a(pass, s, dtype);
  const bool dgrad = pass == ConvPass::dgrad;
  const TileRows t =
      cut_rows(s.n, dgrad ? (s.in[1] + 1) / 2 : s.out[1], dgrad ? (s.in[2] + 1) / 2 : s.out[2]);
  const double tiles = static_cast<double>(t.rows) * static_cast<double>(t.across);
  constexpr double kPoints = kPhases * kPhaseProducts;
  // Larger weights come from memory for every block of tiles: twice as slow as implicit GEMM, measured.
  if (kPoints * a.read * a.made > kMostWeights) return false;
  units[0] = 1;
  units[1] = kPoints * tiles * a.read * a.made_vectors();
  units[2] = kPoints * a.read * a.made_vectors();
  units[3] = kPoints * tiles * a.read_vectors();
  units[4] = (dgrad ? kPoints : kPhaseProducts) * tiles * a.made_vectors();
  units[5] = a.copied_in();
  units[6] = a.copied_out();
  return true;
}

}  // namespace

constinit const ConvRoutines phases_conv{&offers, &count, kPhasesCosts, &fprop, &dgrad, &wgrad};

}  // namespace lamina::cpu::LAMINA_ISA

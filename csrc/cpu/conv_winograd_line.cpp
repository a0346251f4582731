// Winograd convolution along one dimension, for kernels of 3, 5 or 7 taps with stride 1 that have
// size 1 in the others (1x7, 7x1, conv1d), in float32: conv_winograd_line.h has the mathematics.
//
// The output is cut into lines along the kernel and these into tiles of four; each of the R + 3
// points is a matrix product over tiles:
//
//   V [point][tile][c]     transformed activations      U [point][panel][c][kPanel]   weights
//   M [point][tile][k]     products                     P [point][c][k]               sums over tiles
//
// Forward and the input gradient (reversed taps) take blocks of tiles whose V and M stay in L2, one a
// task; the weight gradient takes blocks that stay in L3 and shares out the points' products.  Bound
// by their multiply-adds, 10 / 28 of the definition's for 7 taps.  On one Zen 5 core 1x7 of 192
// channels at 17x17, batch 8, took 7.9 ms for the three passes where implicit GEMM took 16.3; 3 taps
// of 64 to 512 channels are 1.4 to 1.9 times as fast as it, 32 channels 1.2 times.
#include "cpu/conv_winograd_line.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/conv_algorithms.h"
#include "cpu/conv_epilogue.h"
#include "cpu/conv_finite.h"
#include "cpu/conv_pack_weights.h"
#include "cpu/conv_work.h"
#include "cpu/gemm.h"
#include "cpu/lanes.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

constexpr int64_t kBlockBytes = 1 << 20;                // of V and M
constexpr int64_t kGradBlockBytes = int64_t{12} << 20;  // of V and the transformed gradients

// The dimension of the kernel's taps, or -1 where this is no convolution along a line.
int line_axis(const ConvShape& s) {
  int axis = -1;
  for (int d = 0; d < kConvDims; ++d) {
    if (s.stride[d] != 1 || s.dilation[d] != 1) return -1;
    if (s.kernel[d] == 1 && s.pad[d] == 0 && s.in[d] == s.out[d]) continue;
    if (axis >= 0 || (s.kernel[d] != 3 && s.kernel[d] != 5 && s.kernel[d] != 7)) return -1;
    axis = d;
  }
  return axis;
}

// The lines of an activation along `axis`, cut into tiles of four positions.
struct Lines {
  int axis;
  int64_t extent[kConvDims];
  int64_t count, across;  // lines; tiles of one

  Lines(int64_t n, const int64_t* positions, int along) : axis(along), count(n) {
    for (int d = 0; d < kConvDims; ++d) {
      extent[d] = positions[d];
      if (d != axis) count *= positions[d];
    }
    across = ceil_div(positions[axis], kLineOut);
  }
  int64_t tiles() const { return count * across; }

  // The image, and the place of its first position, of a line.
  int64_t place(int64_t line, int64_t (&at)[kConvDims]) const {
    for (int d = kConvDims - 1; d >= 0; --d) {
      at[d] = d == axis ? 0 : line % extent[d];
      if (d != axis) line /= extent[d];
    }
    return line;
  }
};

// f(line, first tile, tiles) for the tiles [begin, end), line by line.
template <class F>
void for_each_line(const Lines& lines, int64_t begin, int64_t end, const F& f) {
  for (int64_t t = begin, count; t < end; t += count) {
    const int64_t first = t % lines.across, rest = lines.across - first;
    count = end - t < rest ? end - t : rest;
    f(t / lines.across, first, count);
  }
}

// to[point * plane + tile * channels + c] for tiles [begin, end): the transform of `Reads` positions
// of `a`, which has `in` of them, from each tile's first one + offset on; zeros outside.
template <int Points, int Reads, class Transform>
void transform_lines(const ConvTensor& a, const int64_t* in, int64_t channels, const Lines& lines,
                     int64_t offset, int64_t begin, int64_t end, float* to, int64_t plane,
                     const Transform& transform) {
  constexpr int n = kLanes<float>;
  const int64_t most = end - begin < lines.across ? end - begin : lines.across;
  Scratch scratch(((most * kLineOut + Reads) * channels + n) * sizeof(float));
  for_each_line(lines, begin, end, [&](int64_t line, int64_t first, int64_t tiles) {
    ImageBox<float> box{static_cast<const float*>(a.data),
                        a.stride,
                        in,
                        0,
                        1,
                        {},
                        {1, 1, 1},
                        {1, channels, channels}};
    box.n_begin = lines.place(line, box.begin);
    box.begin[lines.axis] = first * kLineOut + offset;
    box.size[lines.axis] = (tiles - 1) * kLineOut + Reads;
    pack_image(box, scratch.as<float>());
    const float* from = scratch.as<float>();
    for (int64_t t = 0; t < tiles; ++t, from += kLineOut * channels, to += channels)
      for (int64_t c = 0; c < channels; c += n) {
        const int count = static_cast<int>(clamp(channels - c, 1, n));
        Vec<float> d[Reads], v[Points];
        LAMINA_UNROLL
        for (int i = 0; i < Reads; ++i) d[i] = load(from + i * channels + c);
        transform(d, v);
        LAMINA_UNROLL
        for (int i = 0; i < Points; ++i) store_lanes(to + i * plane + c, v[i], count);
      }
  });
}

// A sum over taps of w[k * stride_k + c * stride_c + t]; reversed: of falling positions, for dgrad.
struct LineWeights {
  const float* w;
  int64_t k, c, stride_k, stride_c;
  bool reversed;

  int64_t panels() const { return ceil_div(k, kPanel<float>); }
  int64_t plane() const { return panels() * c * kPanel<float>; }  // elements of U of one point
};

template <int R>
void transform_weights(const LineWeights& w, float* u) {
  using Line = LineTransform<R>;
  constexpr int n = kLanes<float>;
  const float* end = w.w + (w.k - 1) * w.stride_k + (w.c - 1) * w.stride_c + R;
  const int64_t plane = w.plane(), blocks = ceil_div(w.c, kMaxBlock);
  parallel_for(w.panels() * blocks, 1, [&](int64_t begin, int64_t stop) {
    for (int64_t i = begin; i < stop; ++i) {
      const int64_t panel = i / blocks, first = i % blocks * kMaxBlock;
      const int64_t count = clamp(w.c - first, 0, kMaxBlock);
      for (int v = 0; v < kPanelVectors; ++v) {
        const int64_t k = panel * kPanel<float> + v * n;
        const int valid = static_cast<int>(clamp(w.k - k, 0, n));
        float* to = u + (panel * w.c + first) * kPanel<float> + v * n;
        const float* from = w.w + k * w.stride_k + first * w.stride_c;
        Vec<float> tap[R], point[Line::kPoints];
        const auto put = [&](int64_t c, int64_t t, Vec<float> outputs) {
          tap[w.reversed ? R - 1 - t : t] = outputs;
          if (t + 1 < R) return;
          Line::weight(tap, point);
          for (int p = 0; p < Line::kPoints; ++p)
            store(to + p * plane + c * kPanel<float>, point[p]);
        };
        if (valid == 0) {
          for (int64_t c = 0; c < count; ++c)
            for (int t = 0; t < R; ++t) put(c, t, Vec<float>{});
        } else if (w.stride_c == R) {
          int64_t c = 0, t = 0;
          for_each_column(from, w.stride_k, valid, count * R, end,
                          [&](int64_t, Vec<float> outputs) {
                            put(c, t, outputs);
                            if (++t == R) t = 0, ++c;
                          });
        } else {
          for (int64_t c = 0; c < count; ++c)
            for_each_column(from + c * w.stride_c, w.stride_k, valid, R, end,
                            [&](int64_t t, Vec<float> outputs) { put(c, t, outputs); });
        }
      }
    }
  });
}

// y = the epilogue of A' M + bias for tiles [begin, end), whose M begin at m.
template <int R>
void store_lines(const float* m, int64_t plane, int64_t channels, const float* bias,
                 const Lines& lines, int64_t begin, int64_t end, const ConvTensor& y,
                 const Epilogue<float>& epilogue, Finite& finite) {
  using Line = LineTransform<R>;
  constexpr int n = kLanes<float>;
  const int64_t step = y.stride[2 + lines.axis], stride_c = y.stride[1];
  Vec<float> doubt{};
  for_each_line(lines, begin, end, [&](int64_t line, int64_t first, int64_t tiles) {
    int64_t at[kConvDims];
    float* row = static_cast<float*>(y.data) + lines.place(line, at) * y.stride[0];
    for (int d = 0; d < kConvDims; ++d) row += at[d] * y.stride[2 + d];
    for (int64_t t = first; t < first + tiles; ++t, m += channels) {
      const int64_t left = lines.extent[lines.axis] - t * kLineOut;
      for (int64_t c = 0; c < channels; c += n) {
        const int count = static_cast<int>(clamp(channels - c, 1, n));
        const Vec<float> added = bias ? load_lanes(bias + c, count) : Vec<float>{};
        Vec<float> point[Line::kPoints], out[kLineOut];
        LAMINA_UNROLL
        for (int i = 0; i < Line::kPoints; ++i) point[i] = load_lanes(m + i * plane + c, count);
        Line::output(point, out);
        LAMINA_UNROLL
        for (int i = 0; i < kLineOut; ++i) {
          if (i >= left) break;
          float* to = row + (t * kLineOut + i) * step + c * stride_c;
          const Vec<float> value = out[i] + added;
          doubt += 0.0f * value;
          if (stride_c == 1)
            store_lanes(to, epilogue.apply(value, to, count), count);
          else
            for (int l = 0; l < count; ++l)
              to[l * stride_c] = epilogue.apply(value[l], to + l * stride_c);
        }
      }
    }
  });
  finite.note(doubt);
}

// y from x: the lines of y, of `in` positions of x from `offset` on.  False where y is not finite.
template <int R>
bool correlate(const ConvTensor& x, const int64_t* in, const ConvTensor& y, const Lines& lines,
               int64_t offset, const LineWeights& w, const float* bias,
               const Epilogue<float>& epilogue) {
  using Line = LineTransform<R>;
  const int64_t u_plane = w.plane(), tile_bytes = Line::kPoints * (w.c + w.k) * int64_t{4};
  Scratch weights((Line::kPoints * u_plane + 8 * kPanel<float>)*sizeof(float));
  float* u = weights.as<float>();
  transform_weights<R>(w, u);
  const int64_t most = clamp(kBlockBytes / tile_bytes / kTileRows, 2, 12) * kTileRows;
  const int64_t block = ceil_div(lines.tiles(), ceil_div(lines.tiles(), most));
  Finite finite;
  parallel_for(lines.tiles(), block, [&](int64_t begin, int64_t end) {
    const int64_t tiles = end - begin;
    Scratch scratch(tiles * tile_bytes);
    float *v = scratch.as<float>(), *m = v + Line::kPoints * tiles * w.c;
    transform_lines<Line::kPoints, Line::kPoints>(
        x, in, w.c, lines, offset, begin, end, v, tiles * w.c,
        [](const auto& d, auto& points) __attribute__((always_inline)) { Line::input(d, points); });
    for (int64_t p = 0; p < Line::kPoints; ++p)
      gemm<float>(tiles, w.k, w.c, Strided<float>{v + p * tiles * w.c, w.c, 1},
                  PackedColumns<float>{u + p * u_plane, w.c},
                  Result<float>{m + p * tiles * w.k, w.k});
    store_lines<R>(m, tiles * w.k, w.k, bias, lines, begin, end, y, epilogue, finite);
  });
  return finite.all();
}

// dw in the order of unpack_weights: G' P.
template <int R>
void store_weights(const float* sums, const WeightOrder& order, float* packed, Finite& finite) {
  using Line = LineTransform<R>;
  constexpr int n = kLanes<float>;
  const int64_t blocks = order.channels.blocks, plane = order.c * order.k;
  parallel_for(order.panels * blocks, 1, [&](int64_t begin, int64_t end) {
    Vec<float> doubt{};
    for (int64_t i = begin; i < end; ++i) {
      const int64_t panel = i / blocks, block = i % blocks, length = order.block_channels(block);
      float* to = packed + R * order.before_block(panel, block) * kPanel<float>;
      const float* from = sums + block * order.channels.width * order.k + panel * kPanel<float>;
      for (int64_t c = 0; c < length; ++c)
        for (int v = 0; v < kPanelVectors; ++v) {
          const int count = static_cast<int>(clamp(order.k - panel * kPanel<float> - v * n, 0, n));
          if (count == 0) break;
          Vec<float> point[Line::kPoints], tap[R];
          LAMINA_UNROLL
          for (int p = 0; p < Line::kPoints; ++p)
            point[p] = load_lanes(from + p * plane + c * order.k + v * n, count);
          Line::weight_gradient(point, tap);
          LAMINA_UNROLL
          for (int t = 0; t < R; ++t) {
            doubt += 0.0f * tap[t];
            store(to + (t * length + c) * kPanel<float> + v * n, tap[t]);
          }
        }
    }
    finite.note(doubt);
  });
}

template <int R>
bool line_wgrad(const ConvShape& s, int axis, const ConvTensor& x, const ConvTensor& dy,
                float* dw) {
  using Line = LineTransform<R>;
  const Lines lines(s.n, s.out, axis);
  const int64_t tile_bytes = Line::kPoints * (s.c + s.k) * int64_t{4};
  const int64_t most = clamp(kGradBlockBytes / tile_bytes, 64, lines.tiles());
  const int64_t blocks = ceil_div(lines.tiles(), most);
  const int64_t parts = ceil_div(s.c, 8 * kTileRows);  // of the channels of a product
  Scratch sums(Line::kPoints * s.c * s.k * sizeof(float));
  float* sum = sums.as<float>();
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t first = lines.tiles() * b / blocks, end = lines.tiles() * (b + 1) / blocks;
    const int64_t tiles = end - first, v_plane = tiles * s.c, d_plane = tiles * s.k;
    Scratch scratch(tiles * tile_bytes);
    float *v = scratch.as<float>(), *d = v + Line::kPoints * v_plane;
    parallel_for(tiles, 2 * kTileRows, [&](int64_t from, int64_t to) {
      transform_lines<Line::kPoints, Line::kPoints>(
          x, s.in, s.c, lines, -s.pad[axis], first + from, first + to, v + from * s.c, v_plane,
          [](const auto& in, auto& points)
              __attribute__((always_inline)) { Line::input(in, points); });
      transform_lines<Line::kPoints, kLineOut>(
          dy, s.out, s.k, lines, 0, first + from, first + to, d + from * s.k, d_plane,
          [](const auto& in, auto& points)
              __attribute__((always_inline)) { Line::gradient(in, points); });
    });
    parallel_for(Line::kPoints * parts, 1, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) {
        const int64_t p = i / parts, c = s.c * (i % parts) / parts;
        float* result = sum + (p * s.c + c) * s.k;
        gemm<float>(s.c * (i % parts + 1) / parts - c, s.k, tiles,
                    Strided<float>{v + p * v_plane + c, 1, s.c},
                    Strided<float>{d + p * d_plane, 1, s.k},
                    Result<float>{result, s.k, b > 0 ? result : nullptr, s.k, 1});
      }
    });
  }
  WeightOrder order{s.k, s.c, ceil_div(s.k, kPanel<float>), cut_channels(s.c), 1};
  order.slice_blocks = order.channels.blocks;
  const int64_t elements = order.panels * R * s.c * kPanel<float>;
  Scratch packed(elements * sizeof(float));
  Finite finite;
  store_weights<R>(sum, order, packed.as<float>(), finite);
  unpack_weights(packed.as<float>(), 1, elements, R, order, dw);
  return finite.all();
}

// f.operator()<R>() for the kernel's taps.
template <class F>
LAMINA_INLINE bool with_taps(int64_t taps, const F& f) {
  return taps == 3   ? f.template operator()<3>()
         : taps == 5 ? f.template operator()<5>()
                     : f.template operator()<7>();
}

void fprop(const ConvShape& s, DType dtype, const ConvTensor& x, const void* w,
           const kernels::ConvEpilogue& epilogue, const ConvTensor& y) {
  const int axis = line_axis(s);
  const bool finite = with_taps(s.kernel[axis], [&]<int R>() {
    return correlate<R>(x, s.in, y, Lines(s.n, s.out, axis), -s.pad[axis],
                        {static_cast<const float*>(w), s.k, s.c, s.c * R, R, false},
                        static_cast<const float*>(epilogue.bias), {epilogue, y.data});
  });
  if (!finite) implicit_conv.fprop(s, dtype, x, w, epilogue, y);
}

void dgrad(const ConvShape& s, DType dtype, const ConvTensor& dy, const void* w, const void* bias,
           const ConvTensor& dx) {
  const int axis = line_axis(s);
  const bool finite = with_taps(s.kernel[axis], [&]<int R>() {
    return correlate<R>(dy, s.out, dx, Lines(s.n, s.in, axis), s.pad[axis] - (R - 1),
                        {static_cast<const float*>(w), s.c, s.k, R, s.c * R, true},
                        static_cast<const float*>(bias), {});
  });
  if (!finite) implicit_conv.dgrad(s, dtype, dy, w, bias, dx);
}

void wgrad(const ConvShape& s, DType dtype, const ConvTensor& x, const ConvTensor& dy, void* dw) {
  const int axis = line_axis(s);
  const bool finite = with_taps(s.kernel[axis], [&]<int R>() {
    return line_wgrad<R>(s, axis, x, dy, static_cast<float*>(dw));
  });
  if (!finite) implicit_conv.wgrad(s, dtype, x, dy, dw);
}

bool offers(ConvPass, const ConvShape& s, DType dtype) {
  return dtype == DType::float32 && s.groups == 1 && line_axis(s) >= 0;
}

// A call; multiply-adds of the points' products; vectors transformed of x, of y and of weights;
// elements copied from and to other layouts, and both again where lines don't run along rows.
bool count(ConvPass pass, const ConvShape& s, DType dtype, ConvUnits& units) {
  const PassCount a(pass, s, dtype);
  const Lines lines(s.n, pass == ConvPass::dgrad ? s.in : s.out, line_axis(s));
  const double points = a.taps + kLineOut - 1, tiles = static_cast<double>(lines.tiles());
  units[0] = 1;
  units[1] = points * tiles * a.read * a.made_vectors();
  units[2] = points * a.read * a.made_vectors();
  units[3] = points * tiles * a.read_vectors();
  units[4] = points * tiles * a.made_vectors();
  units[5] = a.copied_in();
  units[6] = a.copied_out();
  if (line_axis(s) != kConvDims - 1) units[7] = units[5] + units[6];
  return true;
}

}  // namespace

constinit const ConvRoutines line_conv{&offers, &count, kLineCosts, &fprop, &dgrad, &wgrad};

}  // namespace lamina::cpu::LAMINA_ISA

// Depthwise convolution and narrow groups: groups of at most a vector of channels.
//
// A task computes some rows of y for a few vectors of channels with the register tiles of
// conv_depthwise.h.  It reads x where it lies if the channels of a pixel lie together, else from a
// copy in which they do (conv_lane_rows.h).  3x3 depthwise kernels are bound by memory, larger ones
// and groups of several channels by multiply-adds.
#include "cpu/conv_depthwise.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/conv_algorithms.h"
#include "cpu/conv_depthwise_wgrad.h"
#include "cpu/conv_lane_rows.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::ConvPass;

inline constexpr int64_t kBandBytes = 128 << 10;  // of the rows of x of a task, in L2
inline constexpr int64_t kLaneTasks = 16;         // wanted
inline constexpr int64_t kMostParts = 32;         // of the weight gradient
inline constexpr int64_t kPartsBytes = int64_t{4} << 20;

int64_t inputs(const ConvShape& s) { return s.c / s.groups; }
int64_t outputs(const ConvShape& s) { return s.k / s.groups; }
int64_t taps_of(const ConvShape& s) { return s.kernel[0] * s.kernel[1] * s.kernel[2]; }

bool fits(const ConvShape& s, DType dtype) {
  const int64_t lanes = visit_real(dtype, [](auto of) { return int64_t{kLanes<decltype(of)>}; });
  return s.groups > 1 && inputs(s) <= lanes && outputs(s) <= lanes && boxes_fit(s);
}
bool offers(ConvPass, const ConvShape& s, DType dtype) { return fits(s, dtype); }

// What all sums of a pass share for each vector of channels: its biases and permutations.
template <class T>
struct LaneTables {
  static constexpr int64_t n = kLanes<T>;
  Scratch memory;
  LaneIndex<T>* index;  // [vector][step]
  T* bias;              // [vector][lane]

  LaneTables(const GroupLanes<T>& lanes, const T* from)
      : memory(lanes.vectors * (lanes.in + 1) * kVectorBytes), index(memory.as<LaneIndex<T>>()) {
    bias = reinterpret_cast<T*>(index + lanes.vectors * lanes.in);
    for (int64_t v = 0; v < lanes.vectors; ++v)
      for (int64_t l = 0; l < n; ++l) {
        for (int64_t i = 0; i < lanes.in; ++i) index[v * lanes.in + i][l] = lanes.source(v, i, l);
        bias[v * n + l] = from && l < lanes.lanes() ? from[lanes.first_out(v) + l] : T(0);
      }
  }
};

// The weights of a sum, [vector][step][kernel row][tap][lane], from weight(channel, step, position);
// zeros in lanes without an output.
template <class T, class Weight>
void pack_lane_weights(const GroupLanes<T>& lanes, int64_t taps, const Weight& weight, T* packed) {
  constexpr int64_t n = kLanes<T>;
  const int64_t elements = lanes.in * taps * n;
  parallel_for(lanes.vectors, 16384 / (elements + 1) + 1, [&](int64_t begin, int64_t end) {
    T* to = packed + begin * elements;
    for (int64_t v = begin; v < end; ++v)
      for (int64_t i = 0; i < lanes.in; ++i)
        for (int64_t t = 0; t < taps; ++t)
          for (int64_t l = 0; l < n; ++l)
            *to++ = l < lanes.lanes() ? weight(lanes.first_out(v) + l, i, t) : T(0);
  });
}

// Vectors [first, last) of a block, of equal numbers to within one.
struct Blocks {
  int64_t vectors, blocks;
  LAMINA_INLINE int64_t first(int64_t block) const { return vectors * block / blocks; }
};

// As many vectors as keep the rows of x that a row of y meets in L1, two at least.
template <class T>
Blocks cut_vectors(const TapSum& s, int64_t vectors) {
  constexpr int64_t kRowBytes = 32 << 10;
  const int64_t bytes = s.axis[0].count * s.axis[1].count * s.in[2] * kVectorBytes;
  const int64_t most = clamp(kRowBytes / (bytes + 1), 2, 16);
  return {vectors, ceil_div(vectors, most)};
}

// Rows of x that rows [begin, end) of positions at depth d meet.
RowRange rows_met(const TapSum& s, int64_t n, int64_t d, int64_t begin, int64_t end) {
  const AxisTaps &depth = s.axis[0], &row = s.axis[1];
  const int64_t d_first = d * s.step[0] + depth.offset, h_first = begin * s.step[1] + row.offset;
  return {n, d_first, d_first + (depth.count - 1) * depth.offset_step + 1, h_first,
          h_first + (end - 1 - begin) * s.step[1] + (row.count - 1) * row.offset_step + 1};
}

// One sum over taps, cut into bands of rows by blocks of vectors.
template <class T>
struct LaneSum {
  TapSum sum;
  GroupLanes<T> lanes;
  Blocks blocks;
  int64_t bands;  // of a plane of y
  LaneSource<T> x;
  const LaneVector<T>* vectors;
  T* y;
  Epilogue<T> epilogue;

  int64_t tasks() const { return sum.n * sum.grid[0] * bands * blocks.blocks; }

  void run(int64_t task) const {
    const int64_t block = task % blocks.blocks, band = task / blocks.blocks % bands;
    const int64_t plane = task / blocks.blocks / bands, d = plane % sum.grid[0],
                  n = plane / sum.grid[0];
    const int64_t begin = sum.grid[1] * band / bands, end = sum.grid[1] * (band + 1) / bands;
    const int64_t first = blocks.first(block), last = blocks.first(block + 1);
    const int64_t channel = vectors[first].in;
    const LaneRows<T> source(x, rows_met(sum, n, d, begin, end), channel,
                             vectors[last - 1].in + kLanes<T> - channel);
    const AxisTaps &depth = sum.axis[0], &row = sum.axis[1];
    const LaneTile<T> tile{lane_columns(sum), lanes.in,        depth.count * row.count,
                           source.pixel,      sum.y_stride[4], sum.y_stride[1],
                           lanes.lanes(),     sum.step[1],     epilogue};
    const LaneRowKernel<T> kernel = choose_lane_row<T>(tile.columns, lanes.permuted());
    Scratch met((tile.kernel_rows + 1) * sizeof(LaneRow<T>));
    LaneRow<T>* rows = met.as<LaneRow<T>>();
    for (int64_t h = begin; h < end; ++h) {
      int64_t count = 0;
      for (int64_t i = 0; i < depth.count; ++i)
        for (int64_t j = 0; j < row.count; ++j) {
          const T* at = source.row(d * sum.step[0] + depth.offset + i * depth.offset_step,
                                   h * sum.step[1] + row.offset + j * row.offset_step);
          if (at) rows[count++] = {at, i * row.count + j};
        }
      kernel(tile, rows, count, vectors + first, last - first,
             y + n * sum.y_stride[0] + d * sum.y_stride[2] + h * sum.y_stride[3]);
    }
  }
};

// Bands of rows: enough tasks to share, and copies that stay in L2.
template <class T>
void cut_bands(LaneSum<T>& s) {
  const TapSum& sum = s.sum;
  const int64_t row_work =
      sum.grid[2] * sum.taps() * s.lanes.in * ceil_div(s.blocks.vectors, s.blocks.blocks);
  const int64_t row_bytes =
      sum.step[1] * sum.in[2] * ceil_div(s.blocks.vectors, s.blocks.blocks) * kVectorBytes;
  int64_t rows = clamp(kBandBytes / row_bytes, 1, sum.grid[1]);
  const int64_t planes = sum.n * sum.grid[0] * s.blocks.blocks;
  const int64_t wanted = ceil_div(kLaneTasks, planes);             // bands
  const int64_t least = ceil_div(int64_t{1} << 16, row_work + 1);  // rows worth a task
  if (s.x.in_place) rows = sum.grid[1];
  rows = clamp(ceil_div(sum.grid[1], wanted), least < rows ? least : rows, rows);
  s.bands = ceil_div(sum.grid[1], rows);
}

// The sums of one pass, which have the same outputs: fprop's only one, dgrad's residues.  They take
// turns, so that all of them read a row of x while it is in the cache.
template <class T, class Weight>
void run_lane_sums(const TapSum* sums, int64_t count, const ConvShape& s,
                   const GroupLanes<T>& lanes, const T* x, const T* bias, T* y,
                   const Weight& weight, const Epilogue<T>& epilogue = {}) {
  constexpr int64_t n = kLanes<T>;
  const LaneTables<T> tables(lanes, bias);
  const int64_t tap_elements = lanes.vectors * lanes.in * n;
  Scratch weights(taps_of(s) * tap_elements * sizeof(T)), order(taps_of(s) * sizeof(int64_t)),
      places(count * lanes.vectors * sizeof(LaneVector<T>)), plans(count * sizeof(LaneSum<T>));
  LaneSum<T>* plan = plans.as<LaneSum<T>>();
  LaneVector<T>* vectors = places.as<LaneVector<T>>();
  T* packed = weights.as<T>();
  int64_t* tap = order.as<int64_t>();
  int64_t tasks = 0;
  for (int64_t i = 0; i < count; ++i, vectors += lanes.vectors) {
    const TapSum& sum = sums[i];
    for_each_tap(sum, s, [&](int64_t position, int64_t t) { tap[position] = t; });
    pack_lane_weights<T>(
        lanes, sum.taps(),
        [&](int64_t channel, int64_t step, int64_t position) {
          return weight(channel, step, tap[position]);
        },
        packed);
    for (int64_t v = 0; v < lanes.vectors; ++v)
      vectors[v] = {lanes.first_in(v), lanes.first_out(v), packed + v * lanes.in * sum.taps() * n,
                    tables.bias + v * n, tables.index + v * lanes.in};
    packed += tap_elements * sum.taps();
    const bool in_place = lies_well<T>(sum.x_stride) && s.groups * lanes.in >= n;
    plan[i] = {sum,
               lanes,
               cut_vectors<T>(sum, lanes.vectors),
               1,
               {x, sums[i].x_stride, sums[i].in, s.groups * lanes.in, in_place},
               vectors,
               y + sum.y_offset,
               epilogue};
    cut_bands(plan[i]);
    tasks = tasks > plan[i].tasks() ? tasks : plan[i].tasks();
  }
  parallel_for(tasks * count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const LaneSum<T>& sum = plan[task % count];
      if (task / count < sum.tasks()) sum.run(task / count);
    }
  });
}

void fprop(const ConvShape& s, DType dtype, const ConvTensor& x, const void* w,
           const kernels::ConvEpilogue& epilogue, const ConvTensor& y) {
  visit_real(dtype, [&](auto of) {
    using T = decltype(of);
    const TapSum sum = fprop_sum(s, x, y);
    const int64_t in = inputs(s), taps = taps_of(s);
    run_lane_sums(&sum, 1, s, GroupLanes<T>(s.groups, in, outputs(s)),
                  static_cast<const T*>(x.data), static_cast<const T*>(epilogue.bias),
                  static_cast<T*>(y.data),
                  [&, from = static_cast<const T*>(w)](int64_t k, int64_t c, int64_t t) {
                    return from[(k * in + c) * taps + t];
                  },
                  {epilogue, y.data});
  });
}

void dgrad(const ConvShape& s, DType dtype, const ConvTensor& dy, const void* w, const void* bias,
           const ConvTensor& dx) {
  visit_real(dtype, [&](auto of) {
    using T = decltype(of);
    const int64_t count = residues(s), in = inputs(s), out = outputs(s), taps = taps_of(s);
    Scratch sums(count * sizeof(TapSum));
    TapSum* sum = sums.as<TapSum>();
    for (int64_t i = 0; i < count; ++i) sum[i] = dgrad_sum(s, dy, dx, i);
    run_lane_sums(sum, count, s, GroupLanes<T>(s.groups, out, in), static_cast<const T*>(dy.data),
                  static_cast<const T*>(bias), static_cast<T*>(dx.data),
                  [&, from = static_cast<const T*>(w)](int64_t c, int64_t k, int64_t t) {
                    return from[((c / in * out + k) * in + c % in) * taps + t];
                  });
  });
}

// The weight gradient: parts of the bands, cut by the problem alone, have sums of their own, which
// are added in order.
template <class T>
struct LaneGrad {
  static constexpr int R = kGradLaneRows;
  TapSum sum;  // of fprop
  GroupLanes<T> lanes;
  Blocks blocks;
  int64_t bands, parts;
  LaneSource<T> x, dy;
  T* dw;  // [part][vector][step][kernel row][tap][lane]

  int64_t kernel_rows() const { return sum.axis[0].count * sum.axis[1].count; }
  int64_t vector_elements() const { return lanes.in * sum.taps() * kLanes<T>; }
  int64_t all_bands() const { return sum.n * sum.grid[0] * bands; }

  void run(int64_t task) const {
    const int64_t part = task / blocks.blocks, block = task % blocks.blocks;
    const int64_t first = blocks.first(block), last = blocks.first(block + 1);
    T* to = dw + (part * lanes.vectors + first) * vector_elements();
    fill_zero(to, (last - first) * vector_elements());
    for (int64_t b = all_bands() * part / parts; b < all_bands() * (part + 1) / parts; ++b)
      add_band(b, first, last, to);
  }

  void add_band(int64_t band, int64_t first, int64_t last, T* to) const {
    constexpr int64_t n = kLanes<T>;
    const int64_t plane = band / bands, d = plane % sum.grid[0], image = plane / sum.grid[0];
    const int64_t begin = sum.grid[1] * (band % bands) / bands,
                  end = sum.grid[1] * (band % bands + 1) / bands;
    const int64_t in = lanes.first_in(first), out = lanes.first_out(first);
    const LaneRows<T> inputs(x, rows_met(sum, image, d, begin, end), in,
                             lanes.first_in(last - 1) + n - in),
        grads(dy, {image, d, d + 1, begin, end}, out, lanes.first_out(last - 1) + n - out);
    const LaneTile<T> tile{lane_columns(sum), lanes.in, kernel_rows(), inputs.pixel,
                           grads.pixel,       1,        lanes.lanes(), 0};
    const LaneGradKernel<T> kernel = choose_lane_grad<T>(tile.columns, lanes.permuted());
    Scratch met((end - begin) * sizeof(LaneGradRow<T>)), index(lanes.in * sizeof(LaneIndex<T>));
    LaneGradRow<T>* rows = met.as<LaneGradRow<T>>();
    for (int64_t v = first; v < last; ++v, to += vector_elements()) {
      for (int64_t i = 0; i < lanes.in; ++i)
        for (int64_t l = 0; l < n; ++l) index.as<LaneIndex<T>>()[i][l] = lanes.source(v, i, l);
      const LaneVector<T> vector{lanes.first_in(v), lanes.first_out(v), nullptr, nullptr,
                                 index.as<LaneIndex<T>>()};
      for (int64_t r = 0; r < kernel_rows(); r += R) {
        const int count = static_cast<int>(kernel_rows() - r < R ? kernel_rows() - r : R);
        const int64_t length = rows_of(inputs, grads, d, begin, end, r, count, rows);
        kernel(tile, rows, length, vector, to + r * sum.axis[2].count * n, count);
      }
    }
  }

  // The rows of positions that meet any of kernel rows [r, r + count).
  int64_t rows_of(const LaneRows<T>& inputs, const LaneRows<T>& grads, int64_t d, int64_t begin,
                  int64_t end, int64_t r, int count, LaneGradRow<T>* rows) const {
    const AxisTaps &depth = sum.axis[0], &row = sum.axis[1];
    int64_t length = 0;
    for (int64_t h = begin; h < end; ++h) {
      LaneGradRow<T> at{grads.row(d, h), {}};
      bool any = false;
      for (int i = 0; i < count; ++i) {
        at.x[i] =
            inputs.row(d * sum.step[0] + depth.offset + (r + i) / row.count * depth.offset_step,
                       h * sum.step[1] + row.offset + (r + i) % row.count * row.offset_step);
        any |= at.x[i] != nullptr;
      }
      if (any) rows[length++] = at;
    }
    return length;
  }
};

template <class T>
LaneGrad<T> plan_lane_grad(const TapSum& sum, const GroupLanes<T>& lanes) {
  constexpr int64_t kRowsBytes = 40 << 10;  // of x and dy for one vector, in L1
  LaneGrad<T> g{sum, lanes, cut_vectors<T>(sum, lanes.vectors), 1, 1, {}, {}, nullptr};
  const int64_t x_row = sum.in[2] * kVectorBytes,
                row = sum.step[1] * x_row + sum.grid[2] * kVectorBytes;
  const int64_t rows = clamp((kRowsBytes - g.kernel_rows() * x_row) / row, 4, sum.grid[1]);
  g.bands = ceil_div(sum.grid[1], rows);
  const int64_t part_bytes = lanes.vectors * g.vector_elements() * static_cast<int64_t>(sizeof(T));
  const int64_t work = sum.positions() * lanes.vectors * lanes.in * sum.taps();
  const int64_t tasks = clamp(work >> 16, 1, kMostParts);
  g.parts =
      clamp(ceil_div(tasks, g.blocks.blocks), 1, clamp(kPartsBytes / part_bytes, 1, g.all_bands()));
  return g;
}

void wgrad(const ConvShape& s, DType dtype, const ConvTensor& x, const ConvTensor& dy, void* dw) {
  visit_real(dtype, [&](auto of) {
    using T = decltype(of);
    constexpr int64_t n = kLanes<T>;
    const GroupLanes<T> lanes(s.groups, inputs(s), outputs(s));
    const TapSum sum = fprop_sum(s, x, dy);
    LaneGrad<T> g = plan_lane_grad(sum, lanes);
    g.x = {static_cast<const T*>(x.data), sum.x_stride, sum.in, s.c,
           lies_well<T>(sum.x_stride) && s.c >= n};
    g.dy = {static_cast<const T*>(dy.data), sum.y_stride, sum.grid, s.k,
            lies_well<T>(sum.y_stride) && lanes.lanes() == n};
    const int64_t taps = sum.taps(), part = lanes.vectors * g.vector_elements();
    Scratch parts(g.parts * part * sizeof(T));
    g.dw = parts.as<T>();
    parallel_for(g.parts * g.blocks.blocks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) g.run(task);
    });
    parallel_for(lanes.vectors, 16384 / (g.vector_elements() * g.parts) + 1,
                 [&](int64_t begin, int64_t end) {
                   for (int64_t v = begin; v < end; ++v)
                     for (int64_t i = 0; i < lanes.in * taps; ++i) {
                       T* at = g.dw + v * g.vector_elements() + i * n;
                       Vec<T> total = load(at);
                       for (int64_t p = 1; p < g.parts; ++p) total += load(at + p * part);
                       T* to = static_cast<T*>(dw) + lanes.first_out(v) * lanes.in * taps + i;
                       // Lanes shared with the vector before are that one's to write.
                       const int64_t shared =
                           (v * lanes.per_vector - lanes.first_group(v)) * lanes.out;
                       for (int64_t l = shared; l < lanes.lanes(); ++l)
                         to[l * lanes.in * taps] = total[l];
                     }
                 });
  });
}

}  // namespace

constinit const ConvRoutines depthwise_conv{&offers, &offers, &fprop, &dgrad, &wgrad};

}  // namespace lamina::cpu::LAMINA_ISA

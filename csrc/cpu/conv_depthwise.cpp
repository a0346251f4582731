// Depthwise convolution and narrow groups: groups of at most a vector of channels.
//
// A task computes some rows of y for a few vectors of channels with the register tiles of
// conv_depthwise.h, from a copy of the rows that a row of positions meets (conv_lane_ring.h);
// channels-last 3x3 depthwise kernels have tiles that need no copy (conv_depthwise_3x3.h).  Bound by
// multiply-adds: on a Zen 5 core the tiles run at 70 to 85 % of their peak from L1, a whole 7x7
// forward pass (96 channels at 56x56) at 50 to 70 %, 4 channels a group at 55 %.
#include "cpu/conv_depthwise.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/conv_algorithms.h"
#include "cpu/conv_depthwise_3x3_wgrad.h"
#include "cpu/conv_depthwise_wgrad.h"
#include "cpu/conv_lane_ring.h"
#include "cpu/conv_work.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int64_t kLaneTasks = 16;  // wanted

int64_t inputs(const ConvShape& s) { return s.c / s.groups; }
int64_t outputs(const ConvShape& s) { return s.k / s.groups; }
int64_t taps_of(const ConvShape& s) { return s.kernel[0] * s.kernel[1] * s.kernel[2]; }

// Whether the rows that a position meets fit in some megabytes: not so for absurd dilations.
bool ring_fits(const ConvShape& s) {
  const auto span = [&](int d) {
    return static_cast<double>(s.kernel[d] - 1) * static_cast<double>(s.dilation[d]) + 1;
  };
  const double width =
      static_cast<double>(s.out[2] + 8) * static_cast<double>(s.stride[2]) + span(2);
  return static_cast<double>(s.kernel[0]) * span(1) * width < 1 << 19;
}

bool fits(const ConvShape& s, DType dtype) {
  const int64_t lanes = visit_real(dtype, [](auto of) { return int64_t{kLanes<decltype(of)>}; });
  return s.groups > 1 && inputs(s) <= lanes && outputs(s) <= lanes && boxes_fit(s) && ring_fits(s);
}
bool offers(ConvPass, const ConvShape& s, DType dtype) { return fits(s, dtype); }

// A vector of channels of a sum.
template <class T>
struct LaneVector {
  int64_t in, out;            // its first channels
  const T* w;                 // [step][kernel row][tap][lane]
  const T* bias;              // [lane]
  const LaneIndex<T>* index;  // [step]
};

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

// One sum over taps, cut into bands of rows by blocks of vectors.
template <class T>
struct LaneSum {
  TapSum sum;
  GroupLanes<T> lanes;
  Blocks blocks;
  int64_t bands;  // of a plane of y
  const T* x;
  const LaneVector<T>* vectors;
  T* y;
  Epilogue<T> epilogue;

  int64_t tasks() const { return sum.n * sum.grid[0] * bands * blocks.blocks; }
  int64_t kernel_rows() const { return sum.axis[0].count * sum.axis[1].count; }

  void run(int64_t task) const {
    const int64_t block = task % blocks.blocks, band = task / blocks.blocks % bands;
    const int64_t plane = task / blocks.blocks / bands, d = plane % sum.grid[0],
                  n = plane / sum.grid[0];
    const int64_t first = blocks.first(block), count = blocks.first(block + 1) - first;
    const int64_t begin = sum.grid[1] * band / bands, end = sum.grid[1] * (band + 1) / bands;
    LaneRow<T> row{};
    row.columns = lane_columns(sum);
    MetRows<T> met(sum, {x, sum.x_stride, sum.in, lanes.groups * lanes.in},
                   row.columns.pixels(kMostPositions), count,
                   [&](int64_t v) { return vectors[first + v].in; });
    Scratch rows((kernel_rows() + 1) * (sizeof(const T*) + sizeof(int64_t)));
    const T** pixels = rows.as<const T*>();
    int64_t* kernel_row = reinterpret_cast<int64_t*>(pixels + kernel_rows());
    row.x = pixels;
    row.kernel_row = kernel_row;
    row.steps = lanes.in;
    row.step_weights = sum.taps() * kLanes<T>;
    row.y_pixel = sum.y_stride[4];
    row.y_channel = sum.y_stride[1];
    row.lanes = lanes.lanes();
    row.epilogue = epilogue;
    row.ahead_row = sum.x_stride[3];
    row.ahead_rows = sum.x_stride[1] == 1 ? clamp(sum.step[1], 1, 2) : 0;
    row.ahead_pixel = sum.x_stride[4];
    const LaneRowKernel<T> kernel = choose_lane_row<T>(row.columns, lanes.permuted());
    for (int64_t h = begin; h < end; ++h) {
      met.advance(n, d, h, h == begin);
      T* to = y + n * sum.y_stride[0] + d * sum.y_stride[2] + h * sum.y_stride[3];
      row.rows = 0;
      for (int64_t i = 0; i < sum.axis[0].count; ++i)
        for (int64_t j = 0; j < sum.axis[1].count; ++j)
          if (const T* at = met.row(d, h, i, j)) {
            pixels[row.rows] = at;
            kernel_row[row.rows++] = i * sum.axis[1].count + j;
          }
      const T* ahead = met.ahead(n, d, h);
      for (int64_t v = 0; v < count; ++v) {
        const LaneVector<T>& vector = vectors[first + v];
        row.x_offset = v * met.vector_step();
        row.w = vector.w;
        row.index = vector.index;
        row.bias = load(vector.bias);
        row.ahead = ahead + vector.in;
        row.y = to + vector.out * sum.y_stride[1];
        kernel(row);
      }
    }
  }
};

// Bands of rows: enough tasks to share.
template <class T>
void cut_bands(LaneSum<T>& s) {
  const TapSum& sum = s.sum;
  const int64_t vectors = ceil_div(s.blocks.vectors, s.blocks.blocks);
  const int64_t row_work = sum.grid[2] * (sum.taps() + 2) * s.lanes.in * vectors;
  const int64_t wanted = ceil_div(kLaneTasks, sum.n * sum.grid[0] * s.blocks.blocks);
  const int64_t least = ceil_div(kLaneTaskWork, row_work);  // rows worth a task
  const int64_t rows = clamp(ceil_div(sum.grid[1], wanted), least, sum.grid[1]);
  s.bands = ceil_div(sum.grid[1], rows < sum.grid[1] ? rows : sum.grid[1]);
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
    plan[i] = {sum,     lanes, cut_vectors<T>(sum, lanes.vectors), 1, x, vectors, y + sum.y_offset,
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
  if (fits_3x3(s, dtype, &y))
    return fprop_3x3(s, x, static_cast<const float*>(w), static_cast<const float*>(epilogue.bias),
                     Epilogue<float>(epilogue, y.data), y, epilogue.kept);
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
  if (fits_3x3(s, dtype, &dx))
    return dgrad_3x3(s, dy, static_cast<const float*>(w), static_cast<const float*>(bias), dx);
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

void wgrad(const ConvShape& s, DType dtype, const ConvTensor& x, const ConvTensor& dy, void* dw) {
  if (fits_3x3(s, dtype)) return wgrad_3x3(s, x, dy, static_cast<float*>(dw));
  visit_real(dtype, [&](auto of) {
    using T = decltype(of);
    constexpr int64_t n = kLanes<T>;
    const GroupLanes<T> lanes(s.groups, inputs(s), outputs(s));
    const TapSum sum = fprop_sum(s, x, dy);
    LaneGrad<T> g = plan_lane_grad(sum, lanes);
    g.x = static_cast<const T*>(x.data);
    g.dy = static_cast<const T*>(dy.data);
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

// A call; multiply-adds of the 3x3 tiles, of plain ones and of permuted inputs; what is read and
// written; taps begun on a row.
bool count(ConvPass pass, const ConvShape& s, DType dtype, ConvUnits& units) {
  const PassCount a(pass, s, dtype);
  const double most = a.read > a.made ? a.read : a.made;
  const double vectors = whole(a.groups, __builtin_floor(a.lanes / most));
  const double work = a.taps * a.read * vectors;
  units[0] = 1;
  units[fits_3x3(s, dtype) ? 1 : most == 1 ? 2 : 3] = a.positions() * work;
  units[4] = a.reads();
  units[5] = a.writes();
  units[6] = a.rows() * work;
  return true;
}

}  // namespace

constinit const ConvRoutines depthwise_conv{&offers, &count, kDepthwiseCosts,
                                            &fprop,  &dgrad, &wgrad};

}  // namespace lamina::cpu::LAMINA_ISA

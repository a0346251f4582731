// Implicit GEMM for sums over taps: fprop and dgrad of any stride, padding, dilation and group
// count.
//
// A task computes a box of output positions for some panels of output channels.  Per slice of input
// channels it copies its input with the padding to scratch (or reads x in place where no padding is
// needed), then runs the register tile panel by panel: a panel's weights stay in L2 while the tiles
// of the box pass, the tile's inputs in L1.  Bound by multiply-adds: on a Zen 5 core 92 to 96 % of
// their peak for 3x3 kernels and 64 to 256 channels, 85 % for 512 at 4x4 (weights from L3); 78 to 93 %
// for 1x1 kernels, whose inputs come from memory while tiles run.
#pragma once

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/conv_box.h"
#include "cpu/conv_pack_image.h"
#include "cpu/conv_pack_weights.h"
#include "cpu/conv_taps.h"
#include "cpu/conv_tile.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int64_t kSliceBytes = 160 << 10;  // of a panel's weights: they stay in L2
inline constexpr int64_t kImageBytes = 320 << 10;  // of a task's packed input, in L2 too
inline constexpr int64_t kWeightBytes = 512
                                        << 10;  // weights beyond this come from L3 for every box,
inline constexpr int64_t kLargeBox = 512;       // which then should have this many positions
inline constexpr int64_t kSmallBox = 128;
inline constexpr int64_t kTasks = 16;                   // wanted, to share work evenly
inline constexpr int64_t kTaskWork = int64_t{4} << 20;  // multiply-adds: some 30 microseconds
inline constexpr int64_t kDirectTaskWork = 1 << 18;     // where a task packs nothing: some 2

// The sums of one pass share channel blocks and slices, so that one walk over the weights packs
// them all.
template <class T>
WeightOrder weight_order(int64_t k, int64_t c, int64_t most_taps, bool in_place) {
  WeightOrder order;
  order.k = k;
  order.c = c;
  order.panels = ceil_div(k, kPanel<T>);
  order.channels = in_place && most_taps == 1 ? ChannelBlocks{1, c, c} : cut_channels(c);
  const int64_t block_bytes =
      most_taps * order.channels.width * kPanel<T> * static_cast<int64_t>(sizeof(T));
  const int64_t blocks = kSliceBytes / block_bytes;
  order.slice_blocks = clamp(blocks, 1, order.channels.blocks);
  return order;
}

// Whether every tap of every position lies in x, and a pixel's channels lie together.
inline bool reads_in_place(const TapSum& s) {
  for (int d = 0; d < kConvDims; ++d) {
    const AxisTaps& a = s.axis[d];
    if (a.offset < 0 ||
        (s.grid[d] - 1) * s.step[d] + a.offset + (a.count - 1) * a.offset_step >= s.in[d])
      return false;
  }
  return s.x_stride[1] == 1;
}

// Without padding, dimensions with a single tap have no neighbours: a stride is a stride in memory,
// and dimensions that lie together in x and y become one.  A 1x1 convolution becomes a matrix
// product over pixels.
inline void merge_dimensions(TapSum& s) {
  int first = kConvDims;  // dimensions from here on are merged
  for (int d = kConvDims - 1; d >= 0; --d) {
    if (s.axis[d].count != 1 || s.axis[d].offset != 0 || (s.grid[d] - 1) * s.step[d] >= s.in[d])
      break;
    s.x_stride[2 + d] *= s.step[d];
    s.step[d] = 1;
    s.in[d] = s.grid[d];
    first = d;
  }
  if (first == kConvDims) return;
  if (s.in[2] == 1) {  // any stride will do
    s.x_stride[4] = s.x_stride[3];
    s.y_stride[4] = s.y_stride[3];
  }
  const auto follows = [&](int64_t x_stride, int64_t y_stride) {
    return x_stride == s.in[2] * s.x_stride[4] && y_stride == s.in[2] * s.y_stride[4];
  };
  for (int d = 1; d >= first; --d) {
    if (s.grid[d] != 1 && !follows(s.x_stride[2 + d], s.y_stride[2 + d])) return;
    s.in[2] = s.grid[2] *= s.grid[d];
    s.in[d] = s.grid[d] = 1;
  }
  if (first > 0 || (s.n != 1 && !follows(s.x_stride[0], s.y_stride[0]))) return;
  s.in[2] = s.grid[2] *= s.n;
  s.n = 1;
}

// A slice of channels of the inputs of a box.
template <class T>
struct SliceInput {
  const T* first;     // the first tap of the first position
  int64_t stride[4];  // between images, planes, rows and pixels
  int64_t block_stride;
};

template <class T>
struct ImplicitSum {
  TapSum sum;
  WeightOrder order;
  bool in_place;
  const TileKernel<T>* tile;
  BoxCut cut;
  int64_t panel_groups;

  const T *x, *w, *bias;  // of one group; w and bias packed
  T* y;
  Epilogue<T> epilogue;

  int64_t tasks() const { return cut.boxes() * panel_groups; }
  void run(int64_t task) const;
  const T* weights(int64_t index, int64_t panel) const {
    return w + sum.taps() * order.before_slice(panel, index) * kPanel<T>;
  }
  void run_panel(const TileSlice<T>& slice, const SliceInput<T>& input, const Box& box,
                 int64_t index, int64_t first_panel, int64_t panel, const T* next) const;
};

template <class T>
ImplicitSum<T> plan_sum(const TapSum& sum, const WeightOrder& order, bool in_place,
                        int64_t groups) {
  ImplicitSum<T> plan{};
  plan.sum = sum;
  plan.order = order;
  plan.in_place = in_place;
  const int64_t width = sum.grid[2];
  plan.tile = &choose_tile<T>(width, in_place ? width : width + kMaxSegments);
  const int64_t unit = in_place && sum.grid[0] * sum.grid[1] == 1
                           ? plan.tile->segments * plan.tile->length
                           : plan.tile->length;

  const int64_t slice = order.slice_channels(0), element = sizeof(T);
  const int64_t taps = sum.taps() > 0 ? sum.taps() : 1, work = taps * order.c * order.k;
  int64_t position_bytes = slice * element;  // of packed input, halo included
  for (int d = 0; d < kConvDims && sum.grid[d] > 0; ++d) {
    const AxisTaps& a = sum.axis[d];
    const int64_t extent = (sum.grid[d] - 1) * sum.step[d] + (a.count - 1) * a.offset_step + 1;
    position_bytes = position_bytes * (extent > 0 ? extent : 1) / sum.grid[d];
  }
  const int64_t least_work = in_place ? kDirectTaskWork : kTaskWork;
  int64_t small = work * element > kWeightBytes ? kLargeBox : kSmallBox;
  if (in_place)  // few panels: the positions must make the tasks
    small = clamp(ceil_div(sum.positions() * groups * order.panels, kTasks), 2 * unit, small);
  const int64_t most = clamp(kImageBytes / (position_bytes + 1), kSmallBox, INT64_MAX);
  const int64_t share = ceil_div(sum.positions() * groups, kTasks);
  const int64_t positions = clamp(clamp(share, small, INT64_MAX), least_work / work, most);
  plan.cut = cut_boxes({sum.n, sum.grid[0], sum.grid[1], sum.grid[2]}, positions, unit);

  const int64_t boxes = plan.cut.boxes() * groups;
  const int64_t most_groups = plan.cut.positions() * work / least_work;
  const int64_t panel_groups = boxes > 0 ? clamp(ceil_div(kTasks, boxes), 1, order.panels) : 1;
  plan.panel_groups = clamp(panel_groups, 1, most_groups < 1 ? 1 : most_groups);
  return plan;
}

// The runs of a slice: offsets of taps whose channels lie together, relative to the first tap of
// the first channel.
template <class T>
TileSlice<T> slice_runs(const AxisTaps* axis, const int64_t* tap_stride, int64_t channels_per_pixel,
                        const ChannelBlocks& channels, int64_t* run) {
  TileSlice<T> slice{};
  const bool touching =
      channels.blocks == 1 && axis[2].offset_step == 1 && channels_per_pixel == channels.last;
  for (int64_t d = 0; d < axis[0].count; ++d)
    for (int64_t h = 0; h < axis[1].count; ++h)
      for (int64_t w = 0; w < (touching ? (axis[2].count > 0) : axis[2].count); ++w)
        run[slice.runs++] = d * axis[0].offset_step * tap_stride[0] +
                            h * axis[1].offset_step * tap_stride[1] +
                            w * axis[2].offset_step * tap_stride[2];
  const int64_t merged = touching ? axis[2].count : 1;
  slice.run = run;
  slice.blocks = channels.blocks;
  slice.length = channels.width * merged;
  slice.last_length = channels.last * merged;
  return slice;
}

// The tiles of a box for one panel of outputs and slice `index` of the channels; `next` are the
// weights that are wanted after these.
template <class T>
void ImplicitSum<T>::run_panel(const TileSlice<T>& slice, const SliceInput<T>& input,
                               const Box& box, int64_t index, int64_t first_panel, int64_t panel,
                               const T* next) const {
  const int S = tile->segments, L = tile->length;
  const int channels = static_cast<int>(clamp(order.k - panel * kPanel<T>, 1, kPanel<T>));
  const int vectors = channels > kLanes<T>;
  const T* own = weights(index, panel);
  const T* panel_bias = bias + panel * kPanel<T>;
  T* to = y + panel * kPanel<T> * sum.y_stride[1];
  for (int i = 0; i < 4; ++i) to += box.begin[i] * sum.y_stride[i == 0 ? 0 : 1 + i];

  // While this panel's tiles run, the next weights come from L3 or memory: each tile brings its
  // share, since the first tile would wait for them (7x7 images with four tiles a panel).
  TilePlace<T> place;
  const int64_t depths = sum.taps() * order.slice_channels(index);
  const int64_t rows = box.size[0] * box.size[1] * box.size[2] * ceil_div(box.size[3], L);
  const int64_t tiles = ceil_div(rows, S);
  place.ahead = next;
  place.ahead_step = ceil_div(kPanel<T>, tiles);
  // The inputs of a matrix product over pixels come from memory while the first panel's tiles run:
  // each tile brings those of the next one, which follow its own.
  const bool first_read = in_place && panel == first_panel && sum.taps() == 1 && box.size[0] == 1 &&
                          rows == ceil_div(box.size[3], L) && slice.pixel == order.c;
  if (first_read) place.ahead_step = S * L;
  const auto run_tile = [&](int segments) {
    if (first_read) place.ahead = place.in[0] + S * L * slice.pixel;
    const bool half = 2 * segments <= S && tile->half[vectors];
    (half ? tile->half : tile->run)[vectors](slice, place, own, panel_bias, channels);
    place.ahead += depths * place.ahead_step;
  };
  int filled = 0;
  for (int64_t n = 0; n < box.size[0]; ++n)
    for (int64_t d = 0; d < box.size[1]; ++d)
      for (int64_t h = 0; h < box.size[2]; ++h) {
        const T* in_row = input.first + n * input.stride[0] + d * sum.step[0] * input.stride[1] +
                          h * sum.step[1] * input.stride[2];
        T* out_row = to + n * sum.y_stride[0] + d * sum.y_stride[2] + h * sum.y_stride[3];
        for (int64_t at = 0; at < box.size[3]; at += L) {
          const int64_t left = box.size[3] - at;
          // In place nothing beyond the last pixel may be read: the last segment begins earlier.
          const int64_t back = in_place && left < L ? L - left : 0;
          place.in[filled] = in_row + (at - back) * slice.pixel;
          place.out[filled] = out_row + (at - back) * slice.out_pixel;
          place.first[filled] = static_cast<int>(back);
          place.last[filled] = static_cast<int>(clamp(left + back, 0, L));
          if (++filled == S) {
            run_tile(S);
            filled = 0;
          }
        }
      }
  if (filled == 0) return;
  for (int i = filled; i < S; ++i) {
    place.in[i] = place.in[0];
    place.out[i] = place.out[0];
    place.first[i] = place.last[i] = 0;
  }
  run_tile(filled);
}

template <class T>
void ImplicitSum<T>::run(int64_t task) const {
  const int64_t panel_group = task % panel_groups, taps = sum.taps();
  const Box box = cut.at(task / panel_groups);
  ImageBox<T> image = input_box(sum, box, x, order.channels);
  const int64_t width = order.channels.width;
  const int64_t image_elements = in_place ? 0 : order.slice_blocks * image.positions() * width;
  const int64_t spare = tile->length * sum.step[2] * width;  // read by pixels beyond a row's end
  Scratch scratch((image_elements + spare) * sizeof(T)), offsets((taps + 1) * sizeof(int64_t));
  T* packed = scratch.as<T>();

  for (int64_t s = 0; s < order.slices(); ++s) {
    const bool last = s + 1 == order.slices();
    ChannelBlocks channels{order.slice_blocks, width, last ? order.channels.last : width};
    if (last) channels.blocks = order.channels.blocks - s * order.slice_blocks;

    SliceInput<T> input;
    if (in_place) {
      input.first = x + order.slice_begin(s) + box.begin[0] * sum.x_stride[0];
      input.stride[0] = sum.x_stride[0];
      for (int d = 0; d < kConvDims; ++d) {
        input.first += image.begin[d] * sum.x_stride[2 + d];
        input.stride[1 + d] = sum.x_stride[2 + d];
      }
      input.block_stride = width;
    } else {
      image.x = x + order.slice_begin(s) * sum.x_stride[1];
      image.channels = channels;
      if (taps > 0) pack_image(image, packed);
      input.first = packed;
      input.stride[3] = width;
      for (int d = kConvDims - 1; d >= 0; --d)
        input.stride[d] = input.stride[d + 1] * image.size[d];
      input.block_stride = image.n * input.stride[0];
    }
    TileSlice<T> slice =
        slice_runs<T>(sum.axis, input.stride + 1, input.stride[3], channels, offsets.as<int64_t>());
    slice.pixel = sum.step[2] * input.stride[3];
    slice.block_stride = input.block_stride;
    slice.out_pixel = sum.y_stride[4];
    slice.out_channel = sum.y_stride[1];
    slice.accumulate = s > 0;
    if (last) slice.epilogue = epilogue;
    const int64_t begin = order.panels * panel_group / panel_groups,
                  end = order.panels * (panel_group + 1) / panel_groups;
    for (int64_t panel = begin; panel < end; ++panel)
      run_panel(slice, input, box, s, begin, panel,
                panel + 1 < end ? weights(s, panel + 1)
                : last          ? weights(0, end % order.panels)
                                : weights(s + 1, begin));
  }
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

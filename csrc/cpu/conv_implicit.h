// Implicit GEMM for sums over taps: fprop and dgrad of any stride, padding, dilation and group
// count.
//
// A task computes a box of output positions for some panels of output channels.  Per slice of input
// channels it copies its input with the padding to scratch (or reads x in place where no padding is
// needed), then runs the register tile panel by panel: a panel's weights (<= 300 KB) stay in L2
// while the tiles of the box pass, the tile's inputs in L1. Bound by multiply-adds.
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
inline constexpr int64_t kTaskWork = int64_t{4} << 20;  // multiply-adds: some 50 microseconds

// The sums of one pass share channel blocks and slices, so that one walk over the weights packs
// them all.
template <class T>
WeightOrder weight_order(int64_t k, int64_t c, int64_t most_taps, bool in_place) {
  WeightOrder order;
  order.k = k;
  order.c = c;
  order.panels = (k + kPanel<T> - 1) / kPanel<T>;
  order.channels = in_place && most_taps == 1 ? ChannelBlocks{1, c, c} : cut_channels(c);
  const int64_t block_bytes =
      most_taps * order.channels.width * kPanel<T> * static_cast<int64_t>(sizeof(T));
  const int64_t blocks = kSliceBytes / block_bytes;
  order.slice_blocks = blocks < 1                       ? 1
                       : blocks > order.channels.blocks ? order.channels.blocks
                                                        : blocks;
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

  int64_t tasks() const { return cut.boxes() * panel_groups; }
  void run(int64_t task) const;
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

  const int64_t slice = order.slice_channels(0), element = sizeof(T);
  const int64_t taps = sum.taps() > 0 ? sum.taps() : 1, work = taps * order.c * order.k;
  int64_t position_bytes = slice * element;  // of packed input, halo included
  for (int d = 0; d < kConvDims && sum.grid[d] > 0; ++d) {
    const AxisTaps& a = sum.axis[d];
    const int64_t extent = (sum.grid[d] - 1) * sum.step[d] + (a.count - 1) * a.offset_step + 1;
    position_bytes = position_bytes * (extent > 0 ? extent : 1) / sum.grid[d];
  }
  const int64_t small = work * element > kWeightBytes ? kLargeBox : kSmallBox;
  const int64_t most = clamp(kImageBytes / (position_bytes + 1), kSmallBox, INT64_MAX);
  const int64_t share = ceil_div(sum.positions() * groups, kTasks);
  const int64_t positions = clamp(clamp(share, small, INT64_MAX), kTaskWork / work, most);
  plan.cut =
      cut_boxes({sum.n, sum.grid[0], sum.grid[1], sum.grid[2]}, positions, plan.tile->length);

  const int64_t boxes = plan.cut.boxes() * groups;
  const int64_t most_groups = plan.cut.positions() * work / kTaskWork;
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

template <class T>
void ImplicitSum<T>::run(int64_t task) const {
  const int64_t panel_group = task % panel_groups;
  const Box box = cut.at(task / panel_groups);
  const int64_t first_panel = order.panels * panel_group / panel_groups;
  const int64_t last_panel = order.panels * (panel_group + 1) / panel_groups;
  const int64_t taps = sum.taps();

  ImageBox<T> image = input_box(sum, box, x, order.channels);
  const int64_t width = order.channels.width;
  const int64_t image_elements = in_place ? 0 : order.slice_blocks * image.positions() * width;
  const int64_t slack =
      tile->length * sum.step[2] * width;  // read by the pixels beyond a row's end
  Scratch scratch((image_elements + slack) * sizeof(T) + (taps + 1) * sizeof(int64_t));
  int64_t* run = scratch.as<int64_t>();
  T* packed = reinterpret_cast<T*>(run + taps + 1);

  for (int64_t s = 0; s < order.slices(); ++s) {
    ChannelBlocks channels = order.channels;
    channels.blocks = order.slice_blocks;
    if (s + 1 == order.slices())
      channels.blocks = order.channels.blocks - s * order.slice_blocks;
    else
      channels.last = channels.width;

    const T* from;      // the first tap of the box's first position
    int64_t stride[4];  // between images, planes, rows and pixels of the input
    int64_t block_stride;
    if (in_place) {
      from = x + order.slice_begin(s) + box.begin[0] * sum.x_stride[0];
      for (int d = 0; d < kConvDims; ++d) from += image.begin[d] * sum.x_stride[2 + d];
      stride[0] = sum.x_stride[0];
      for (int d = 0; d < kConvDims; ++d) stride[1 + d] = sum.x_stride[2 + d];
      block_stride = width;
    } else {
      image.x = x + order.slice_begin(s) * sum.x_stride[1];
      image.channels = channels;
      if (taps > 0) pack_image(image, packed);
      from = packed;
      stride[3] = width;
      stride[2] = image.size[2] * width;
      stride[1] = image.size[1] * stride[2];
      stride[0] = image.size[0] * stride[1];
      block_stride = image.n * stride[0];
    }
    TileSlice<T> slice = slice_runs<T>(sum.axis, stride + 1, stride[3], channels, run);
    slice.pixel = sum.step[2] * stride[3];
    slice.block_stride = block_stride;
    slice.out_pixel = sum.y_stride[4];
    slice.out_channel = sum.y_stride[1];
    slice.accumulate = s > 0;

    const int S = tile->segments, L = tile->length;
    for (int64_t panel = first_panel; panel < last_panel; ++panel) {
      const int64_t rest = order.k - panel * kPanel<T>;
      const int channels_out = static_cast<int>(rest < kPanel<T> ? rest : kPanel<T>);
      const auto tile_run = tile->run[channels_out > kLanes<T>];
      const T* weights = w + taps * order.before_slice(panel, s) * kPanel<T>;
      T* to = y + panel * kPanel<T> * sum.y_stride[1];
      TilePlace<T> place;
      int filled = 0;
      for (int64_t n = 0; n < box.size[0]; ++n)
        for (int64_t d = 0; d < box.size[1]; ++d)
          for (int64_t h = 0; h < box.size[2]; ++h) {
            const T* in_row =
                from + n * stride[0] + d * sum.step[0] * stride[1] + h * sum.step[1] * stride[2];
            T* out_row = to + (box.begin[0] + n) * sum.y_stride[0] +
                         (box.begin[1] + d) * sum.y_stride[2] +
                         (box.begin[2] + h) * sum.y_stride[3] + box.begin[3] * sum.y_stride[4];
            for (int64_t at = 0; at < box.size[3]; at += L) {
              const int64_t left = box.size[3] - at;
              // In place nothing beyond the last pixel may be read: the last segment begins earlier
              // instead.
              const int64_t back = in_place && left < L ? L - left : 0;
              place.in[filled] = in_row + (at - back) * slice.pixel;
              place.out[filled] = out_row + (at - back) * slice.out_pixel;
              place.first[filled] = static_cast<int>(back);
              place.last[filled] = static_cast<int>(left + back < L ? left : L);
              if (++filled == S) {
                tile_run(slice, place, weights, bias + panel * kPanel<T>, channels_out);
                filled = 0;
              }
            }
          }
      if (filled > 0) {
        for (int i = filled; i < S; ++i) {
          place.in[i] = place.in[0];
          place.first[i] = place.last[i] = 0;
        }
        tile_run(slice, place, weights, bias + panel * kPanel<T>, channels_out);
      }
    }
  }
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

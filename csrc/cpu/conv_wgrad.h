// Implicit GEMM for the weight gradient: dw[k, c, t] = sum over n, o of dy[n, k, o] * x[n, c, o *
// stride + offset(t)].
//
// Register tile: MR inputs that lie together in x (channels of a tap, or of a row of taps where
// they touch) by NV vectors of output channels, summed over the positions of a box: MR broadcasts
// and NV loads for MR*NV multiply-adds. Each part of the positions has its own dw in packed order;
// the parts, cut by the problem alone, are added in order at the end.  Bound by multiply-adds: on a Zen
// 5 core 73 to 86 % of their peak, packing included (1x1 and 3x3 kernels of ResNet-50).
#pragma once

#include "core/memory.h"
#include "cpu/conv_implicit.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

#if defined(__AVX512F__)
inline constexpr int kGradRows = 14;
#else
inline constexpr int kGradRows = 6;
#endif
inline constexpr int64_t kGradPositions = 256;           // of a box: dy's panel stays in L1
inline constexpr int64_t kPartBytes = int64_t{4} << 20;  // of all parts' gradients

// A packed box: x rows of positions by offset, dy positions in a row, panel by panel.
struct GradBox {
  const int64_t* row;  // offsets in packed x of the box's rows of positions
  int64_t rows, width;
  int64_t pixel;  // elements of x from one position to the next
  // What is wanted next, brought into L2 meanwhile: so many bytes on a position.
  const char* ahead = nullptr;
  int64_t ahead_step = 0;
};

// dw[r][k] (+)= sum over positions of x[position][r] * dy[position][k], r < MR of which `valid` are
// stored.
template <class T, int MR, int NV>
__attribute__((noinline)) void wgrad_tile(const GradBox& box, const T* x, const T* dy, T* dw,
                                          int valid, bool accumulate) {
  using V = Vec<T>;
  V sum[MR][NV];
  LAMINA_UNROLL
  for (int i = 0; i < MR * NV; ++i) {
    sum[i / NV][i % NV] = V{};
    if (i / NV < valid) __builtin_prefetch(dw + i / NV * kPanel<T> + i % NV * kLanes<T>, 1);
  }
  const char* ahead = box.ahead ? box.ahead : reinterpret_cast<const char*>(x);
  for (int64_t r = 0; r < box.rows; ++r) {
    const T* from = x + box.row[r];
    for (int64_t w = box.width; w > 0; --w) {
      V b[NV];
      LAMINA_UNROLL
      for (int v = 0; v < NV; ++v) b[v] = load(dy + v * kLanes<T>);
      __builtin_prefetch(ahead, 0, 2);
      ahead += box.ahead_step;
      LAMINA_UNROLL
      for (int i = 0; i < MR; ++i) {
        const V a = broadcast(from[i]);
        LAMINA_UNROLL
        for (int v = 0; v < NV; ++v) sum[i][v] += a * b[v];
      }
      from += box.pixel;
      dy += kPanel<T>;
    }
  }
  LAMINA_UNROLL
  for (int i = 0; i < MR * NV; ++i) {
    if (i / NV >= valid) continue;
    T* to = dw + i / NV * kPanel<T> + i % NV * kLanes<T>;
    store(to, accumulate ? load(to) + sum[i / NV][i % NV] : sum[i / NV][i % NV]);
  }
}

// The inputs and gradients of the next box, where those of a matrix product over pixels lie together:
// tiles bring them into L2 line by line, so that packing does not wait for memory.
template <class T>
struct NextBox {
  const char *x = nullptr, *dy = nullptr;
  int64_t x_bytes = 0, dy_bytes = 0, step = 0, done = 0;

  NextBox(const TapSum& sum, const Box& box, int64_t positions, const T* x_first, const T* dy_first,
          int64_t tiles) {
    const bool flat = sum.n == 1 && sum.grid[0] == 1 && sum.grid[1] == 1 && sum.taps() == 1 &&
                      sum.x_stride[1] == 1 && sum.x_stride[4] == sum.c && sum.y_stride[1] == 1 &&
                      sum.y_stride[4] == sum.k;
    const int64_t slots = tiles * box.size[3], element = sizeof(T);
    if (!flat || positions <= 0 || (sum.c + sum.k) * positions * element > 64 * slots) return;
    const int64_t next = box.begin[3] + box.size[3];
    x = reinterpret_cast<const char*>(x_first + next * sum.c);
    dy = reinterpret_cast<const char*>(dy_first + next * sum.k);
    x_bytes = positions * sum.c * element;
    dy_bytes = positions * sum.k * element;
    step = ceil_div(x_bytes + dy_bytes, slots);
  }
  // The share of a tile over `positions`.
  LAMINA_INLINE void give(GradBox& grad, int64_t positions) {
    if (step == 0) return;
    grad.ahead = done < x_bytes ? x + done : dy + (done - x_bytes);
    grad.ahead_step = done < x_bytes + dy_bytes ? step : 0;
    done += step * positions;
  }
};

template <class T>
using GradTile = void (*)(const GradBox&, const T*, const T*, T*, int, bool);

// The smallest instantiated tile of at least `rows` rows.
template <class T>
GradTile<T> choose_grad_tile(int rows, bool one_vector) {
#define LAMINA_ROWS(MR) \
  if (rows <= MR) return one_vector ? &wgrad_tile<T, MR, 1> : &wgrad_tile<T, MR, 2>;
  LAMINA_ROWS(1)
  LAMINA_ROWS(3)
  LAMINA_ROWS(4)
  LAMINA_ROWS(5)
#if defined(__AVX512F__)
  LAMINA_ROWS(6)
  LAMINA_ROWS(8)
  LAMINA_ROWS(9)
  LAMINA_ROWS(10)
  LAMINA_ROWS(11)
  LAMINA_ROWS(12)
  LAMINA_ROWS(13)
#endif
#undef LAMINA_ROWS
  return one_vector ? &wgrad_tile<T, kGradRows, 1> : &wgrad_tile<T, kGradRows, 2>;
}

// One group's weight gradient: parts x panel groups tasks, each with dw in packed order (one
// slice).
template <class T>
struct ImplicitGrad {
  TapSum sum;  // of fprop
  WeightOrder order;
  BoxCut cut;
  int64_t parts, panel_groups, block_groups;
  int64_t part_elements;

  const T *x, *dy;
  T* dw;  // [part] packed

  int64_t tasks() const { return parts * panel_groups * block_groups; }
  void run(int64_t task) const;
};

template <class T>
ImplicitGrad<T> plan_grad(const TapSum& sum, int64_t groups) {
  ImplicitGrad<T> plan{};
  plan.sum = sum;
  WeightOrder& order = plan.order;
  order.k = sum.k;
  order.c = sum.c;
  order.panels = (sum.k + kPanel<T> - 1) / kPanel<T>;
  order.channels = cut_channels(sum.c);
  order.slice_blocks = order.channels.blocks;
  plan.cut = cut_boxes({sum.n, sum.grid[0], sum.grid[1], sum.grid[2]}, kGradPositions, 1);
  plan.part_elements = order.panels * sum.taps() * sum.c * kPanel<T>;

  const int64_t part_bytes = plan.part_elements * groups * static_cast<int64_t>(sizeof(T));
  const int64_t work = sum.positions() * sum.taps() * sum.c * sum.k;
  // Powers of two share evenly.  Splitting positions needs another dw to add; splitting channels
  // packs x or dy again.
  const int64_t tasks = clamp(work / kTaskWork, 1, kTasks);
  const int64_t most_parts = clamp(kPartBytes / part_bytes, 1, plan.cut.boxes());
  plan.parts = plan.panel_groups = plan.block_groups = 1;
  while (plan.parts * 2 <= tasks && plan.parts * 2 <= most_parts) plan.parts *= 2;
  while (plan.tasks() * 2 <= tasks) {
    const bool panels = plan.panel_groups * 2 <= order.panels,
               blocks = plan.block_groups * 2 <= order.channels.blocks;
    if (panels && (!blocks || plan.panel_groups * sum.c <= plan.block_groups * sum.k))
      plan.panel_groups *= 2;
    else if (blocks)
      plan.block_groups *= 2;
    else
      break;
  }
  return plan;
}

template <class T>
void ImplicitGrad<T>::run(int64_t task) const {
  const int64_t block_group = task % block_groups, panel_group = task / block_groups % panel_groups;
  const int64_t part = task / block_groups / panel_groups;
  const int64_t first_block = order.channels.blocks * block_group / block_groups;
  const int64_t last_block = order.channels.blocks * (block_group + 1) / block_groups;
  const int64_t first_panel = order.panels * panel_group / panel_groups;
  const int64_t last_panel = order.panels * (panel_group + 1) / panel_groups;
  const int64_t width = order.channels.width, taps = sum.taps();

  const ChannelBlocks blocks{last_block - first_block, width, order.block_channels(last_block - 1)};
  const int64_t rest = order.k - (last_panel - 1) * kPanel<T>;
  const ChannelBlocks panels{last_panel - first_panel, kPanel<T>,
                             rest < kPanel<T> ? rest : kPanel<T>};
  const T* x_begin = x + first_block * width * sum.x_stride[1];
  const T* dy_begin = dy + first_panel * kPanel<T> * sum.y_stride[1];

  const Box largest{{}, {cut.box[0], cut.box[1], cut.box[2], cut.box[3]}};
  const int64_t x_elements =
      input_box(sum, largest, x, blocks).elements() + kGradRows;  // a tile's spare rows
  const int64_t dy_elements = panels.blocks * cut.positions() * kPanel<T>;
  Scratch scratch((x_elements + dy_elements) * sizeof(T));
  Scratch offsets((cut.box[0] * cut.box[1] * cut.box[2] + taps) * sizeof(int64_t));
  T* packed_dy = scratch.as<T>();
  T* packed_x = packed_dy + dy_elements;
  int64_t* run = offsets.as<int64_t>();
  int64_t* row = run + taps;

  for (int64_t b = cut.boxes() * part / parts; b < cut.boxes() * (part + 1) / parts; ++b) {
    const Box box = cut.at(b);
    const ImageBox<T> image = input_box(sum, box, x_begin, blocks);
    pack_image(image, packed_x);
    pack_image(output_box(sum, box, dy_begin, panels), packed_dy);

    const int64_t image_row = image.size[2] * width, plane = image.size[1] * image_row;
    GradBox grad{row, 0, box.size[3], sum.step[2] * width};
    for (int64_t n = 0; n < box.size[0]; ++n)
      for (int64_t d = 0; d < box.size[1]; ++d)
        for (int64_t h = 0; h < box.size[2]; ++h)
          row[grad.rows++] =
              (n * image.size[0] + d * sum.step[0]) * plane + h * sum.step[1] * image_row;

    const int64_t stride[kConvDims] = {plane, image_row, width};
    const TileSlice<T> slice = slice_runs<T>(sum.axis, stride, width, blocks, run);
    const bool accumulate = b > cut.boxes() * part / parts;
    const int64_t block_tiles = ceil_div(slice.length, kGradRows);
    const int64_t left = b + 1 < cut.boxes() * (part + 1) / parts ? cut.at(b + 1).size[3] : 0;
    NextBox<T> next(sum, box, panel_groups * block_groups == 1 ? left : 0, x, dy,
                    panels.blocks * blocks.blocks * block_tiles);
    for (int64_t panel = first_panel; panel < last_panel; ++panel) {
      const bool one_vector = order.k - panel * kPanel<T> <= kLanes<T>;
      const T* dy_panel = packed_dy + (panel - first_panel) * grad.rows * grad.width * kPanel<T>;
      for (int64_t block = 0; block < blocks.blocks; ++block) {
        const int64_t length = block + 1 == blocks.blocks ? slice.last_length : slice.length;
        const int64_t most = ceil_div(length, ceil_div(length, kGradRows));
        const GradTile<T> tile = choose_grad_tile<T>(static_cast<int>(most), one_vector);
        const T* from = packed_x + block * image.positions() * width;
        T* to = dw + part * part_elements +
                taps * order.before_block(panel, first_block + block) * kPanel<T>;
        for (int64_t r = 0; r < slice.runs; ++r)
          for (int64_t i = 0; i < length; i += most) {
            const int64_t valid = length - i < most ? length - i : most;
            next.give(grad, grad.width);
            tile(grad, from + run[r] + i, dy_panel, to, static_cast<int>(valid), accumulate);
            to += valid * kPanel<T>;
          }
      }
    }
  }
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

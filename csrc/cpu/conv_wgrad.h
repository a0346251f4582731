// Implicit GEMM for the weight gradient: dw[k, c, t] = sum over n, o of dy[n, k, o] * x[n, c, o *
// stride + offset(t)].
//
// Register tile: MR inputs that lie together in x (channels of a tap, or of a row of taps where
// they touch) by NV vectors of output channels, summed over the positions of a box: MR broadcasts
// and NV loads for MR*NV multiply-adds. Each part of the positions has its own dw in packed order;
// the parts, cut by the problem alone, are added in order at the end.  Bound by multiply-adds.
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
    if (accumulate && i / NV < valid)
      sum[i / NV][i % NV] = load(dw + i / NV * kPanel<T> + i % NV * kLanes<T>);
    else
      sum[i / NV][i % NV] = V{};
  }
  for (int64_t r = 0; r < box.rows; ++r) {
    const T* from = x + box.row[r];
    for (int64_t w = box.width; w > 0; --w) {
      V b[NV];
      LAMINA_UNROLL
      for (int v = 0; v < NV; ++v) b[v] = load(dy + v * kLanes<T>);
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
  for (int i = 0; i < MR * NV; ++i)
    if (i / NV < valid) store(dw + i / NV * kPanel<T> + i % NV * kLanes<T>, sum[i / NV][i % NV]);
}

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
  int64_t parts, panel_groups;
  int64_t part_elements;

  const T *x, *dy;
  T* dw;  // [part] packed

  int64_t tasks() const { return parts * panel_groups; }
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
  int64_t tasks = work / kTaskWork;
  tasks = tasks > kTasks ? kTasks : tasks < 1 ? 1 : tasks;
  int64_t parts = kPartBytes / part_bytes;
  parts = parts > tasks ? tasks : parts < 1 ? 1 : parts;
  plan.parts = parts > plan.cut.boxes() ? plan.cut.boxes() : parts;
  int64_t panel_groups = tasks / plan.parts;
  plan.panel_groups = panel_groups < 1              ? 1
                      : panel_groups > order.panels ? order.panels
                                                    : panel_groups;
  return plan;
}

template <class T>
void ImplicitGrad<T>::run(int64_t task) const {
  const int64_t part = task / panel_groups, panel_group = task % panel_groups;
  const int64_t first_panel = order.panels * panel_group / panel_groups;
  const int64_t last_panel = order.panels * (panel_group + 1) / panel_groups;
  const int64_t first_box = cut.boxes() * part / parts, last_box = cut.boxes() * (part + 1) / parts;
  const int64_t width = order.channels.width, taps = sum.taps();

  // The largest box sizes the scratch.
  int64_t image_size[kConvDims], image_positions = cut.box[0];
  for (int d = 0; d < kConvDims; ++d) {
    image_size[d] =
        (cut.box[1 + d] - 1) * sum.step[d] + 1 + (sum.axis[d].count - 1) * sum.axis[d].offset_step;
    image_positions *= image_size[d];
  }
  const int64_t image_elements = order.channels.blocks * image_positions * width + kGradRows;
  const int64_t panels = last_panel - first_panel,
                dy_elements = cut.positions() * panels * kPanel<T>;
  const int64_t most_rows = cut.box[0] * cut.box[1] * cut.box[2];
  Scratch scratch((image_elements + dy_elements) * sizeof(T) +
                  (most_rows + taps) * sizeof(int64_t) + 64);
  T* packed_dy = scratch.as<T>();
  T* packed_x = packed_dy + dy_elements;
  int64_t* row = reinterpret_cast<int64_t*>(
      (reinterpret_cast<uintptr_t>(packed_x + image_elements) + 7) & ~uintptr_t{7});
  int64_t* run = row + most_rows;
  T* to = dw + part * part_elements;

  for (int64_t b = first_box; b < last_box; ++b) {
    const Box box = cut.at(b);
    ImageBox<T> image{x, sum.x_stride, sum.in, box.begin[0], box.size[0], {}, {}, order.channels};
    for (int d = 0; d < kConvDims; ++d) {
      image.begin[d] = box.begin[1 + d] * sum.step[d] + sum.axis[d].offset;
      image.size[d] = (box.size[1 + d] - 1) * sum.step[d] + 1 +
                      (sum.axis[d].count - 1) * sum.axis[d].offset_step;
    }
    pack_image(image, packed_x);
    const int64_t stride[4] = {image.size[0] * image.size[1] * image.size[2] * width,
                               image.size[1] * image.size[2] * width, image.size[2] * width, width};
    GradBox grad{row, 0, box.size[3], sum.step[2] * width};
    for (int64_t n = 0; n < box.size[0]; ++n)
      for (int64_t d = 0; d < box.size[1]; ++d)
        for (int64_t h = 0; h < box.size[2]; ++h)
          row[grad.rows++] =
              n * stride[0] + d * sum.step[0] * stride[1] + h * sum.step[1] * stride[2];
    const int64_t positions = grad.rows * grad.width;

    ImageBox<T> grads{dy,
                      sum.y_stride,
                      sum.grid,
                      box.begin[0],
                      box.size[0],
                      {box.begin[1], box.begin[2], box.begin[3]},
                      {box.size[1], box.size[2], box.size[3]},
                      {}};
    for (int64_t panel = first_panel; panel < last_panel; ++panel) {
      const int64_t rest = order.k - panel * kPanel<T>;
      grads.x = dy + panel * kPanel<T> * sum.y_stride[1];
      grads.channels = {1, kPanel<T>, rest < kPanel<T> ? rest : kPanel<T>};
      T* out = packed_dy + (panel - first_panel) * positions * kPanel<T>;
      if (rest < kPanel<T>) fill_zero(out, positions * kPanel<T>);
      pack_image(grads, out);
    }

    const TileSlice<T> slice = slice_runs<T>(sum.axis, stride + 1, width, order.channels, run);
    for (int64_t panel = first_panel; panel < last_panel; ++panel) {
      const bool one_vector = order.k - panel * kPanel<T> <= kLanes<T>;
      const T* dy_panel = packed_dy + (panel - first_panel) * positions * kPanel<T>;
      T* out = to + taps * order.before_slice(panel, 0) * kPanel<T>;
      for (int64_t block = 0; block < slice.blocks; ++block) {
        const int64_t length = block + 1 == slice.blocks ? slice.last_length : slice.length;
        const int64_t tiles = (length + kGradRows - 1) / kGradRows;
        const int64_t most = (length + tiles - 1) / tiles;
        const GradTile<T> tile = choose_grad_tile<T>(static_cast<int>(most), one_vector);
        const T* from = packed_x + block * image.positions() * width;
        for (int64_t r = 0; r < slice.runs; ++r)
          for (int64_t i = 0; i < length; i += most) {
            const int64_t valid = length - i < most ? length - i : most;
            tile(grad, from + run[r] + i, dy_panel, out, static_cast<int>(valid), b > first_box);
            out += valid * kPanel<T>;
          }
      }
    }
  }
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

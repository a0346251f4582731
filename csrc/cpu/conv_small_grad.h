// The weight gradient for few channels in and out: vectors run over the width.
//
//   dw[k, c, t] = sum over n, o of dy[n, k, o] * x[n, c, o + t]
//
// Register tile: K output channels by P taps (of all input channels), each with a vector of partial
// sums over the positions of a box: K + P loads for K * P multiply-adds.  A box of x is copied plane
// by plane into L1; dy is read where it lies if its rows are whole.  Each part of the boxes,
// cut by the problem alone, has sums of its own; at the end they are added in order, then lane by
// lane.
#pragma once

#include "cpu/conv_small_planar.h"
#include "cpu/shuffle.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int64_t kMaxSmallParts = 32;

struct SmallGradBox {
  const int64_t* row;  // offsets in packed x of the box's rows of positions
  const int64_t* dy_row;
  int64_t rows, width;
  int64_t dy_channel;
};

// sum[k][t] += dy[k] * x[t] over all positions, lane by lane.
template <class T, int K>
__attribute__((noinline)) void small_grad_tile(const SmallGradBox& box, const T* const* taps,
                                               const T* dy, T* sums) {
  constexpr int n = kLanes<T>, P = kSmallPlaces<K>;
  Vec<T> sum[K][P];
  LAMINA_UNROLL
  for (int i = 0; i < K * P; ++i) sum[i / P][i % P] = load(sums + i * n);
  const T* x[P];
  LAMINA_UNROLL
  for (int p = 0; p < P; ++p) x[p] = taps[p];
  const int64_t whole = box.width / n * n, tail = box.width - whole;
  // The last vector ends with the row; the lanes that the one before it had count as zeros, in both
  // operands: a product with an infinity would not vanish.
  const int64_t last = box.width < n ? 0 : box.width - n;
  const auto mask = box.width < n ? first_lanes<T>(static_cast<int>(tail))
                                  : ~first_lanes<T>(static_cast<int>(n - tail));
  for (int64_t r = 0; r < box.rows; ++r) {
    const int64_t at = box.row[r];
    const T* grad = dy + box.dy_row[r];
    for (int64_t o = 0; o < whole; o += n) {
      Vec<T> g[K];
      LAMINA_UNROLL
      for (int k = 0; k < K; ++k) g[k] = load(grad + k * box.dy_channel + o);
      LAMINA_UNROLL
      for (int p = 0; p < P; ++p) {
        const Vec<T> a = load(x[p] + at + o);
        LAMINA_UNROLL
        for (int k = 0; k < K; ++k) sum[k][p] += g[k] * a;
      }
    }
    if (tail == 0) continue;
    Vec<T> g[K];
    LAMINA_UNROLL
    for (int k = 0; k < K; ++k)
      g[k] = select(mask, load(grad + k * box.dy_channel + last), Vec<T>{});
    LAMINA_UNROLL
    for (int p = 0; p < P; ++p) {
      const Vec<T> a = select(mask, load(x[p] + at + last), Vec<T>{});
      LAMINA_UNROLL
      for (int k = 0; k < K; ++k) sum[k][p] += g[k] * a;
    }
  }
  LAMINA_UNROLL
  for (int i = 0; i < K * P; ++i) store(sums + i * n, sum[i / P][i % P]);
}

template <class T>
struct SmallGradTile {
  int taps;
  void (*run)(const SmallGradBox&, const T* const*, const T*, T*);
};

#define LAMINA_GRAD(K) {kSmallPlaces<K>, &small_grad_tile<T, K>}
template <class T>
inline constexpr SmallGradTile<T> kSmallGradTiles[kMaxPlanarOutputs] = {
    LAMINA_GRAD(1), LAMINA_GRAD(2), LAMINA_GRAD(3), LAMINA_GRAD(4),
    LAMINA_GRAD(5), LAMINA_GRAD(6), LAMINA_GRAD(7), LAMINA_GRAD(8),
};
#undef LAMINA_GRAD

template <class T>
struct SmallGrad {
  TapSum sum;  // of fprop
  BoxCut cut;
  int64_t parts, groups;   // of positions; of output channels
  int64_t taps;            // of all input channels
  int64_t group_elements;  // of the sums of a group's tiles, each [k][tap][lane]

  const T *x, *dy;
  T* sums;  // [part][group]

  LAMINA_INLINE int64_t first_output(int64_t group) const { return sum.k * group / groups; }
  LAMINA_INLINE int64_t outputs(int64_t group) const {
    return first_output(group + 1) - first_output(group);
  }
  void run(int64_t part) const;
  void reduce(T* dw) const;
};

template <class T>
SmallGrad<T> plan_small_grad(const TapSum& sum) {
  constexpr int n = kLanes<T>;
  SmallGrad<T> plan{};
  plan.sum = sum;
  plan.cut = cut_planar<T>(sum);
  plan.taps = sum.taps() * sum.c;
  plan.groups = ceil_div(sum.k, kMaxPlanarOutputs);
  const int64_t work = sum.positions() * plan.taps * sum.k;
  plan.parts = clamp(work / kSmallTaskWork, 1, clamp(plan.cut.boxes(), 1, kMaxSmallParts));
  const int64_t largest = ceil_div(sum.k, plan.groups);
  plan.group_elements = (plan.taps + kMaxSmallPlaces) * largest * n;
  return plan;
}

template <class T>
void SmallGrad<T>::run(int64_t part) const {
  constexpr int64_t n = kLanes<T>;
  const Box most{{}, {cut.box[0], cut.box[1], cut.box[2], cut.box[3]}};
  const int64_t x_elements =
      cut.box[0] * planar_box(input_box(sum, most, x, {1, 1, 1}), sum.c, sum.step[2]).image + n;
  const bool in_place = sum.y_stride[4] == 1 && cut.count[3] == 1 && sum.grid[2] >= n;
  const int64_t box_rows = cut.box[1] * cut.box[2];  // of an image
  const int64_t dy_elements = in_place ? 0 : box_rows * cut.box[3] * sum.k + n;
  Scratch scratch((x_elements + dy_elements) * sizeof(T));
  Scratch offsets((2 * box_rows + taps) * sizeof(int64_t));
  T* packed_x = scratch.as<T>();
  T* packed_dy = packed_x + x_elements;
  int64_t* tap = offsets.as<int64_t>();
  int64_t* row = tap + taps;
  int64_t* dy_row = row + box_rows;
  T* part_sums = sums + part * groups * group_elements;
  fill_zero(part_sums, groups * group_elements);

  for (int64_t b = cut.boxes() * part / parts; b < cut.boxes() * (part + 1) / parts; ++b) {
    const Box box = cut.at(b);
    const ImageBox<T> image = input_box(sum, box, x, {1, 1, 1});
    const PlanarBox p = planar_box(image, sum.c, sum.step[2]);
    pack_planar(image, sum.c, p, packed_x);
    planar_taps(sum, p, tap);
    for (int64_t i = 0; i < box.size[0]; ++i) {
      ImageBox<T> grads = output_box(sum, box, dy, {1, 1, 1});
      grads.n_begin += i;
      grads.n = 1;
      const PlanarBox g = planar_box(grads, sum.k, 1);
      if (!in_place) pack_planar(grads, sum.k, g, packed_dy);
      const T* from = in_place ? dy + grads.n_begin * sum.y_stride[0] : packed_dy;
      SmallGradBox rows{row, dy_row, 0, box.size[3], in_place ? sum.y_stride[1] : g.channel};
      for (int64_t d = 0; d < box.size[1]; ++d)
        for (int64_t h = 0; h < box.size[2]; ++h) {
          row[rows.rows] = i * p.image + d * sum.step[0] * p.plane + h * sum.step[1] * p.row;
          dy_row[rows.rows++] =
              in_place ? (box.begin[1] + d) * sum.y_stride[2] + (box.begin[2] + h) * sum.y_stride[3]
                       : d * g.plane + h * g.row;
        }
      for (int64_t group = 0; group < groups; ++group) {
        const SmallGradTile<T>& tile = kSmallGradTiles<T>[outputs(group) - 1];
        T* to = part_sums + group * group_elements;
        for (int64_t t = 0; t < taps; t += tile.taps, to += outputs(group) * tile.taps * n) {
          const T* in[kMaxSmallPlaces];
          for (int j = 0; j < tile.taps; ++j)
            in[j] = packed_x + tap[t + j < taps ? t + j : taps - 1];
          tile.run(rows, in, from + first_output(group) * rows.dy_channel, to);
        }
      }
    }
  }
}

template <class T>
void SmallGrad<T>::reduce(T* dw) const {
  constexpr int n = kLanes<T>;
  for (int64_t group = 0; group < groups; ++group) {
    const int64_t places = kSmallGradTiles<T>[outputs(group) - 1].taps;
    for (int64_t k = 0; k < outputs(group); ++k)
      for (int64_t t = 0; t < taps; ++t) {
        const T* from = sums + group * group_elements +
                        ((t / places * outputs(group) + k) * places + t % places) * n;
        Vec<T> total{};
        for (int64_t part = 0; part < parts; ++part)
          total += load(from + part * groups * group_elements);
        dw[(first_output(group) + k) * taps + t] = sum_lanes<T>(total);
      }
  }
}

template <class T>
void small_wgrad(const TapSum& sum, const T* x, const T* dy, T* dw) {
  SmallGrad<T> plan = plan_small_grad<T>(sum);
  Scratch sums(plan.parts * plan.groups * plan.group_elements * sizeof(T));
  plan.x = x;
  plan.dy = dy;
  plan.sums = sums.as<T>();
  parallel_for(plan.parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) plan.run(part);
  });
  plan.reduce(dw);
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

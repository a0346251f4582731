// The weight gradient for few channels in and out: vectors run over the width.
//
//   dw[k, c, t] = sum over n, o of dy[n, k, o] * x[n, c, o + t]
//
// Register tile: K output channels by P taps (of all input channels), each with a vector of partial
// sums over the positions of a box: K + P loads for K * P multiply-adds.  Both operands of a box
// are copied plane by plane into L1, dy with zeros up to whole vectors.  Each part of the boxes,
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
  int64_t rows, width;
  int64_t dy_row, dy_channel;
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
  const int64_t whole = box.width / n * n;
  const int tail = static_cast<int>(box.width - whole);
  const auto inside = first_lanes<T>(tail);
  for (int64_t r = 0; r < box.rows; ++r, dy += box.dy_row) {
    const int64_t at = box.row[r];
    for (int64_t o = 0; o < whole; o += n) {
      Vec<T> g[K];
      LAMINA_UNROLL
      for (int k = 0; k < K; ++k) g[k] = load(dy + k * box.dy_channel + o);
      LAMINA_UNROLL
      for (int p = 0; p < P; ++p) {
        const Vec<T> a = load(x[p] + at + o);
        LAMINA_UNROLL
        for (int k = 0; k < K; ++k) sum[k][p] += g[k] * a;
      }
    }
    if (tail == 0) continue;
    Vec<T> g[K];  // zero beyond the row
    LAMINA_UNROLL
    for (int k = 0; k < K; ++k) g[k] = load(dy + k * box.dy_channel + whole);
    LAMINA_UNROLL
    for (int p = 0; p < P; ++p) {
      // No product with what lies beyond: it could be infinite.
      const Vec<T> a = select(inside, load(x[p] + at + whole), Vec<T>{});
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
  int64_t parts, groups;  // of positions; of output channels
  int64_t taps;           // of all input channels
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
  const int64_t dy_elements = cut.positions() / cut.box[3] * ceil_div(cut.box[3], n) * n * sum.k;
  Scratch scratch((x_elements + dy_elements) * sizeof(T));
  Scratch offsets((cut.positions() / cut.box[3] + taps) * sizeof(int64_t));
  T* packed_dy = scratch.as<T>();
  T* packed_x = packed_dy + dy_elements;
  int64_t* tap = offsets.as<int64_t>();
  int64_t* row = tap + taps;
  T* part_sums = sums + part * groups * group_elements;
  fill_zero(part_sums, groups * group_elements);

  for (int64_t b = cut.boxes() * part / parts; b < cut.boxes() * (part + 1) / parts; ++b) {
    const Box box = cut.at(b);
    const ImageBox<T> image = input_box(sum, box, x, {1, 1, 1});
    ImageBox<T> grads = output_box(sum, box, dy, {1, 1, 1});
    grads.size[2] = ceil_div(grads.size[2], n) * n;
    const PlanarBox p = planar_box(image, sum.c, sum.step[2]), g = planar_box(grads, sum.k, 1);
    pack_planar(image, sum.c, p, packed_x);
    planar_taps(sum, p, tap);
    for (int64_t i = 0; i < box.size[0]; ++i) {
      // An image's dy is packed on its own: its rows follow each other in every channel.
      ImageBox<T> one = grads;
      one.n_begin += i;
      one.n = 1;
      pack_planar(one, sum.k, g, packed_dy);
      SmallGradBox rows{row, 0, box.size[3], g.row, g.channel};
      for (int64_t d = 0; d < box.size[1]; ++d)
        for (int64_t h = 0; h < box.size[2]; ++h)
          row[rows.rows++] = i * p.image + d * sum.step[0] * p.plane + h * sum.step[1] * p.row;
      for (int64_t group = 0; group < groups; ++group) {
        const SmallGradTile<T>& tile = kSmallGradTiles<T>[outputs(group) - 1];
        T* to = part_sums + group * group_elements;
        for (int64_t t = 0; t < taps; t += tile.taps, to += outputs(group) * tile.taps * n) {
          const T* in[kMaxSmallPlaces];
          for (int j = 0; j < tile.taps; ++j)
            in[j] = packed_x + tap[t + j < taps ? t + j : taps - 1];
          tile.run(rows, in, packed_dy + first_output(group) * g.channel, to);
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

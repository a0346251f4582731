// Register tile of the weight gradient of depthwise convolution and of narrow groups: R rows by N
// taps of the kernel, a vector of channels each, summed over a row of positions.
//
// Four positions at a time share the loads of x that neighbouring taps read: 22 loads for the 36
// multiply-adds of 3x3 taps.
#pragma once

#include "cpu/conv_depthwise.h"
#include "cpu/conv_lane_ring.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int kMostGradRows = 3;
inline constexpr int64_t kMostParts = 32;
inline constexpr int64_t kPartsBytes = int64_t{4} << 20;

// A row of positions of one vector.
template <class T>
struct LaneGradRow {
  LaneColumns columns;
  const T* dy;
  int64_t dy_pixel;
  const T* x[kMostGradRows];  // the rows that R rows of the kernel meet
  int64_t steps, step_weights;
  const LaneIndex<T>* index;  // [step]
  T* dw;                      // [step][kernel row][tap][lane]
};

// dw[r][i] += sum over positions of dy * x, r < R, i < N, from the tap that x and dw begin with.
template <class T, int R, int N, int Step, class Permute>
LAMINA_INLINE void lane_grad(const LaneGradRow<T>& t, int64_t tap, const Permute& permuted, T* dw) {
  constexpr int P = 4, n = kLanes<T>;
  constexpr int kStep = Step == 0 ? 1 : Step;
  const LaneColumns& a = t.columns;
  Vec<T> sum[R][N];
  LAMINA_UNROLL
  for (int i = 0; i < R * N; ++i) sum[i / N][i % N] = Vec<T>{};
  const int64_t pixel = a.step * n, tap_pixel = a.tap_step * n;
  const T* x[R];
  LAMINA_UNROLL
  for (int r = 0; r < R; ++r) x[r] = t.x[r] + tap * tap_pixel;
  const T* dy = t.dy;
  int64_t o = 0;
  for (; o + P <= a.width; o += P, dy += P * t.dy_pixel) {
    Vec<T> g[P];
    LAMINA_UNROLL
    for (int j = 0; j < P; ++j) g[j] = load(dy + j * t.dy_pixel);
    LAMINA_UNROLL
    for (int r = 0; r < R; ++r) {
      if constexpr (Step == 0) {
        LAMINA_UNROLL
        for (int i = 0; i < N * P; ++i)
          sum[r][i % N] += permuted(load(x[r] + i / N * pixel + i % N * tap_pixel)) * g[i / N];
      } else {
        LAMINA_UNROLL
        for (int c = 0; c < (P - 1) * kStep + N; ++c) {
          const Vec<T> v = in_register<T>(permuted(load(x[r] + c * n)));
          LAMINA_UNROLL
          for (int i = 0; i < N; ++i)
            if (c >= i && (c - i) % kStep == 0 && (c - i) / kStep < P)
              sum[r][i] += v * g[(c - i) / kStep];
        }
      }
      x[r] += P * pixel;
    }
  }
  for (; o < a.width; ++o, dy += t.dy_pixel) {
    const Vec<T> g = load(dy);
    LAMINA_UNROLL
    for (int i = 0; i < R * N; ++i)
      sum[i / N][i % N] += permuted(load(x[i / N] + i % N * tap_pixel)) * g;
    LAMINA_UNROLL
    for (int r = 0; r < R; ++r) x[r] += pixel;
  }
  LAMINA_UNROLL
  for (int i = 0; i < R * N; ++i) {
    T* to = dw + (i / N * a.taps + i % N) * n;
    store(to, load(to) + sum[i / N][i % N]);
  }
}

// All taps of R rows of the kernel.
template <class T, int R, int Step, bool Permuted>
__attribute__((noinline)) void lane_grad_rows(const LaneGradRow<T>& shared) {
  const LaneGradRow<T> t = shared;
  T* dw = t.dw;
  for (int64_t step = 0; step < t.steps; ++step, dw += t.step_weights) {
    const auto run = [&](const auto& permuted) __attribute__((always_inline)) {
      for_each_chunk(t.columns.taps, [&]<int N>(int64_t tap) __attribute__((always_inline)) {
        lane_grad<T, R, N, Step>(t, tap, permuted, dw + tap * kLanes<T>);
      });
    };
    if constexpr (Permuted) {
      const LaneIndex<T> index = t.index[step];
      run([=](Vec<T> x) __attribute__((always_inline)) { return permute<T>(x, index); });
    } else {
      run([](Vec<T> x) __attribute__((always_inline)) { return x; });
    }
  }
}

template <class T>
using LaneGradKernel = void (*)(const LaneGradRow<T>&);

template <class T, int Step, bool Permuted>
inline constexpr LaneGradKernel<T> kLaneGrads[kMostGradRows] = {
    &lane_grad_rows<T, 1, Step, Permuted>, &lane_grad_rows<T, 2, Step, Permuted>,
    &lane_grad_rows<T, 3, Step, Permuted>};

// By the number of rows of the kernel, less one.
template <class T>
const LaneGradKernel<T>* choose_lane_grads(const LaneColumns& a, bool permuted) {
  if constexpr (sizeof(T) == sizeof(float))
    if (a.shared_step() == 1) return permuted ? kLaneGrads<T, 1, true> : kLaneGrads<T, 1, false>;
  return permuted ? kLaneGrads<T, 0, true> : kLaneGrads<T, 0, false>;
}

// The weight gradient: parts of the rows of positions, cut by the problem alone, have sums of their
// own, which are added in order.
template <class T>
struct LaneGrad {
  TapSum sum;  // of fprop
  GroupLanes<T> lanes;
  Blocks blocks;
  int64_t parts;
  const T *x, *dy;
  T* dw;  // [part][vector][step][kernel row][tap][lane]

  int64_t kernel_rows() const { return sum.axis[0].count * sum.axis[1].count; }
  int64_t vector_elements() const { return lanes.in * sum.taps() * kLanes<T>; }
  int64_t all_rows() const { return sum.n * sum.grid[0] * sum.grid[1]; }

  void run(int64_t task) const {
    constexpr int64_t n = kLanes<T>;
    const int64_t part = task / blocks.blocks, block = task % blocks.blocks;
    const int64_t first = blocks.first(block), count = blocks.first(block + 1) - first;
    T* to = dw + (part * lanes.vectors + first) * vector_elements();
    fill_zero(to, count * vector_elements());
    LaneGradRow<T> row{};
    row.columns = lane_columns(sum);
    row.steps = lanes.in;
    row.step_weights = sum.taps() * n;
    const int64_t width = row.columns.pixels(1);
    MetRows<T> met(sum, {x, sum.x_stride, sum.in, lanes.groups * lanes.in}, width, count,
                   [&](int64_t v) { return lanes.first_in(first + v); });
    // dy is read once for each row of the kernel: where it lies, if its lanes lie together.
    const bool spread =
        sum.y_stride[4] * static_cast<int64_t>(sizeof(T)) % 2048 != 0;  // over L1's sets
    const bool in_place = sum.y_stride[1] == 1 && lanes.lanes() == n && spread;
    row.dy_pixel = in_place ? sum.y_stride[4] : n;
    const LaneRing<T> grads({dy, sum.y_stride, sum.grid, lanes.groups * lanes.out},
                            {in_place ? 0 : 1, sum.grid[2], 0}, count,
                            [&](int64_t v) { return lanes.first_out(first + v); });
    Scratch outside(count * width * n * sizeof(T)), rows(kernel_rows() * sizeof(const T*)),
        index(count * lanes.in * sizeof(LaneIndex<T>));
    fill_zero(outside.as<T>(), count * width * n);
    const T** pixels = rows.as<const T*>();
    for (int64_t i = 0; i < count * lanes.in; ++i)
      for (int64_t l = 0; l < n; ++l)
        index.as<LaneIndex<T>>()[i][l] = lanes.source(first + i / lanes.in, i % lanes.in, l);
    const LaneGradKernel<T>* kernels = choose_lane_grads<T>(row.columns, lanes.permuted());
    const int64_t begin = all_rows() * part / parts, end = all_rows() * (part + 1) / parts;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t h = i % sum.grid[1], d = i / sum.grid[1] % sum.grid[0],
                    image = i / sum.grid[1] / sum.grid[0];
      met.advance(image, d, h, i == begin || h == 0);
      const T* dy_row = dy + image * sum.y_stride[0] + d * sum.y_stride[2] + h * sum.y_stride[3];
      if (!in_place) grads.copy(0, image, d, h);
      for (int64_t j = 0; j < sum.axis[0].count; ++j)
        for (int64_t r = 0; r < sum.axis[1].count; ++r) {
          const T* at = met.row(d, h, j, r);
          pixels[j * sum.axis[1].count + r] = at ? at : outside.as<T>();
        }
      const T* ahead = met.ahead(image, d, h);
      for (int64_t v = 0; v < count; ++v) {
        row.dy =
            in_place ? dy_row + lanes.first_out(first + v) : grads.at(0) + v * grads.vector_step();
        if (in_place) {
          const T* line = ahead + lanes.first_in(first + v);
          for (int64_t w = 0; w < sum.grid[2]; ++w)
            __builtin_prefetch(row.dy + sum.y_stride[3] + w * row.dy_pixel);
          for (int64_t w = 0; w < width; ++w) __builtin_prefetch(line + w * sum.x_stride[4]);
        }
        row.index = index.as<LaneIndex<T>>() + v * lanes.in;
        for (int64_t r = 0, size; r < kernel_rows(); r += size) {
          const int64_t left = kernel_rows() - r;
          size = left == 4 ? 2 : left < kMostGradRows ? left : kMostGradRows;
          for (int64_t j = 0; j < size; ++j) row.x[j] = pixels[r + j] + v * met.vector_step();
          row.dw = to + v * vector_elements() + r * sum.axis[2].count * n;
          kernels[size - 1](row);
        }
      }
    }
  }
};

template <class T>
LaneGrad<T> plan_lane_grad(const TapSum& sum, const GroupLanes<T>& lanes) {
  LaneGrad<T> g{sum, lanes, cut_vectors<T>(sum, lanes.vectors), 1, nullptr, nullptr, nullptr};
  const int64_t part_bytes = lanes.vectors * g.vector_elements() * static_cast<int64_t>(sizeof(T));
  const int64_t work = sum.positions() * lanes.vectors * lanes.in * (sum.taps() + 2);
  const int64_t tasks = clamp(work / kLaneTaskWork, 1, kMostParts);
  const int64_t most = clamp(kPartsBytes / part_bytes, 1, g.all_rows());
  g.parts = clamp(ceil_div(tasks, g.blocks.blocks), 1, most);
  return g;
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

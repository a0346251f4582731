// How a recurrent layer's gates and weights lie in memory while it runs.
//
// Hidden units come in groups of one vector, and a group's gates lie side by side ([i f g o], [i f g o], ...), so that
// a register tile of the recurrent product holds gates that belong together.  Units are padded to whole groups: padded
// rows of weights are zero.
#pragma once

#include "cpu/lane_transpose.h"
#include "cpu/panels.h"
#include "cpu/vec.h"

namespace lamina::cpu::LAMINA_ISA {

template <class T, class Cell>
struct RnnLayout {
  static constexpr int L = kLanes<T>, G = Cell::kGates;
  // A panel of recurrent weights: the gates of one group, or of two where that makes but one vector.
  static constexpr int kPanelGroups = G == 1 ? 2 : 1;
  static constexpr int kPanel = kPanelGroups * G * L;
  static constexpr int kBackPanelGroups = kTileVectors, kBackPanel = kTileCols<T>;

  int64_t hidden, groups, units, gates;  // units: hidden, padded; gates: G units
  // Rows of what is read as a product's left side are a vector longer: rows a multiple of 4 KB apart would share a
  // set of L1.
  int64_t state_row, gradient_row;

  explicit RnnLayout(int64_t hidden)
      : hidden(hidden),
        groups(ceil_div(hidden, L)),
        units(groups * L),
        gates(G * units),
        state_row(units + L),
        gradient_row(gates + L) {}

  int64_t panels() const { return ceil_div(groups, kPanelGroups); }
  int64_t back_panels() const { return ceil_div(groups, kBackPanelGroups); }
  int64_t packed_size() const { return panels() * kPanel * hidden; }
  int64_t packed_input_size(int64_t inputs) const {
    return ceil_div(gates, kTileCols<T>) * kTileCols<T> * inputs;
  }
  int64_t back_packed_size(int64_t columns) const {
    return ceil_div(columns, kTileCols<T>) * kTileCols<T> * gates;
  }
  int lanes(int64_t group) const { return static_cast<int>(smaller(L, hidden - group * L)); }
};

template <class T>
LAMINA_INLINE void copy_row(T* to, const T* from, int64_t count) {
  __builtin_memcpy(to, from, static_cast<size_t>(count) * sizeof(T));
}

template <class T>
LAMINA_INLINE void clear_row(T* to, int64_t count) {
  __builtin_memset(to, 0, static_cast<size_t>(count) * sizeof(T));
}

// f(row in the groups' order, row in the weights' order, or -1 for padding) for every row of gates, in parallel.
template <class T, class Cell, class F>
void for_each_gate_row(const RnnLayout<T, Cell>& layout, int64_t row_bytes, const F& f) {
  constexpr int L = kLanes<T>, G = Cell::kGates;
  const int64_t bytes = larger(1, G * L * row_bytes);
  parallel_for(layout.groups, task_items(layout.groups, bytes, kPackTaskBytes),
               [&](int64_t begin, int64_t end) {
                 for (int64_t group = begin; group < end; ++group)
                   for (int gate = 0; gate < G; ++gate)
                     for (int i = 0; i < L; ++i)
                       f((group * G + gate) * L + i, i < layout.lanes(group)
                                                         ? gate * layout.hidden + group * L + i
                                                         : int64_t{-1});
               });
}

// A gradient of weights from the groups' order (gates, columns) to theirs, (G H, columns).
template <class T, class Cell>
void ungroup_weights(const RnnLayout<T, Cell>& layout, const T* grouped, int64_t columns, T* w) {
  for_each_gate_row(layout, columns * int64_t{sizeof(T)}, [&](int64_t from, int64_t to) {
    if (to >= 0) copy_row(w + to * columns, grouped + from * columns, columns);
  });
}

// Up to a vector of lines, contiguous along depth, as column `panel` of a panel `width` wide.
template <class T>
void transpose_lines(T* panel, int64_t width, const T* lines, int64_t line_stride, int count,
                     int64_t depths) {
  constexpr int L = kLanes<T>;
  int64_t p = 0;
  for (; p + L <= depths; p += L) {
    Vec<T> square[L];
#pragma GCC unroll 16
    for (int i = 0; i < L; ++i)
      square[i] = i < count ? load(lines + i * line_stride + p) : Vec<T>{};
    transpose_lanes<T>(square);
#pragma GCC unroll 16
    for (int i = 0; i < L; ++i) store(panel + (p + i) * width, square[i]);
  }
  for (; p < depths; ++p)
    for (int i = 0; i < L; ++i)
      panel[p * width + i] = i < count ? lines[i * line_stride + p] : T(0);
}

// Weights (G H, depths) as panels (panel, depth, Width) of gates: what inputs and states are multiplied with.
template <int Width, class T, class Cell>
void pack_gates(const RnnLayout<T, Cell>& layout, const T* w, int64_t depths, T* panels) {
  constexpr int L = kLanes<T>, G = Cell::kGates;
  const int64_t count = ceil_div(layout.gates, Width);
  parallel_for(count, task_items(count, Width * depths * int64_t{sizeof(T)}, kPackTaskBytes),
               [&](int64_t begin, int64_t end) {
                 for (int64_t v = begin * (Width / L); v < end * (Width / L); ++v) {
                   const int64_t group = v / G, line = v % G * layout.hidden + group * L;
                   T* panel = panels + v / (Width / L) * Width * depths + v % (Width / L) * L;
                   transpose_lines(panel, Width, w + line * depths, depths, layout.lanes(group),
                                   depths);
                 }
               });
}

// One vector of depths of a panel of kTileCols columns, `width` of them there and `count` of the depths: zero else.
template <class T>
LAMINA_INLINE void pack_lines(T* panel, const T* lines, int64_t line_stride, int count,
                              int64_t width) {
  constexpr int L = kLanes<T>, kWidth = kTileCols<T>;
  for (int i = 0; i < count; ++i, panel += kWidth, lines += line_stride) {
    if (width == kWidth) {
#pragma GCC unroll 4
      for (int v = 0; v < kWidth; v += L) store(panel + v, load(lines + v));
    } else {
      copy_row(panel, lines, width);
      clear_row(panel + width, kWidth - width);
    }
  }
  clear_row(panel, (L - count) * kWidth);
}

// Weights (G H, columns) as panels (panel, depth gates, kTileCols) of columns: what the gates' gradients are multiplied
// with.
template <class T, class Cell>
void pack_columns_of_gates(const RnnLayout<T, Cell>& layout, const T* w, int64_t columns,
                           T* panels) {
  constexpr int L = kLanes<T>, G = Cell::kGates, kWidth = kTileCols<T>;
  const int64_t count = ceil_div(columns, kWidth);
  parallel_for(count, task_items(count, layout.gates * kWidth * int64_t{sizeof(T)}, kPackTaskBytes),
               [&](int64_t begin, int64_t end) {
                 for (int64_t p = begin; p < end; ++p) {
                   const int64_t width = smaller(kWidth, columns - p * kWidth);
                   T* out = panels + p * kWidth * layout.gates;
                   for (int64_t line = 0; line < layout.gates; line += L, out += L * kWidth) {
                     const int64_t group = line / L / G, gate = line / L % G;
                     const T* from = w + (gate * layout.hidden + group * L) * columns + p * kWidth;
                     pack_lines(out, from, columns, layout.lanes(group), width);
                   }
                 }
               });
}

}  // namespace lamina::cpu::LAMINA_ISA

// A recurrent layer forward.
//
// The input's part of all gates is one product over a block of steps, (rows, I) by (I, gates), biases included.  Each
// step adds the state's part in place, a few rows by panels of W_hh, and turns the gates of each tile into states while
// they are in L1.  FLOPs: 2 rows G H (I + H); bytes a step: W_hh from each core's L2 (or its share of it), which at
// one sequence is the bound.
#pragma once

#include "cpu/gemm.h"
#include "cpu/lanes.h"
#include "cpu/rnn_cell.h"
#include "cpu/rnn_plan.h"
#include "cpu/rnn_product.h"

namespace lamina::cpu::LAMINA_ISA {

// What forward leaves for backward, a direction: the activated gates, and c' (LSTM) or the candidate (GRU).
template <class T, class Cell>
int64_t rnn_saved_size(const kernels::RnnShape& shape) {
  const RnnLayout<T, Cell> layout(shape.hidden);
  return Cell::kSavesGates ? shape.directions * shape.rows * (layout.gates + layout.units) : 0;
}

template <class T, class Cell>
class RnnForwardPass {
  using Layout = RnnLayout<T, Cell>;
  static constexpr int L = Layout::L, G = Layout::G, kPanel = Layout::kPanel, kVectors = kPanel / L;

  struct Direction {
    RnnSteps steps;
    T *input_panels, *bias, *candidate_bias, *panels;
    T* state[2];  // (N, state_row) before and after a step, by turns
    T* cell;      // (N, units)
    // Row 0 of what a whole sequence has, be it that only a block of it is there.
    T *gates, *extra;
    T *gate_block, *extra_block;  // where nothing is saved
  };

 public:
  RnnForwardPass(const kernels::RnnForward& args, Cell cell)
      : args_(args), shape_(args.shape), cell_(cell), layout_(args.shape.hidden) {}

  void run() {
    Carver<T> counted;
    carve(counted);
    const Scratch memory(counted.used * sizeof(T));
    Carver<T> carver{memory.as<T>()};
    carve(carver);
    for (int d = 0; d < shape_.directions; ++d) prepare(d);
    const RnnCut cut =
        rnn_cut(shape_, layout_.gates * layout_.hidden * int64_t{sizeof(T)}, layout_.panels());
    for (int64_t begin = 0, end; begin < shape_.steps; begin = end) {
      end = rnn_block_end(directions_[0].steps, directions_[shape_.directions - 1].steps, begin,
                          block_rows());
      for (int d = 0; d < shape_.directions; ++d) multiply_input(d, begin, end);
      for_each_rnn_task(cut, shape_.directions, begin, end, shape_.batch, layout_.panels(),
                        [&](int d, int64_t step, int64_t first_row, int64_t last_row,
                            int64_t first_panel, int64_t last_panel) {
                          take_step(directions_[d], d, step, first_row, last_row, first_panel,
                                    last_panel);
                        });
    }
    for (int d = 0; d < shape_.directions; ++d) finish(d);
  }

 private:
  // Rows that a block has at most.
  int64_t block_rows() const {
    return smaller(shape_.rows, larger(shape_.batch, rnn_block_rows<T>(layout_.gates)));
  }

  void carve(Carver<T>& carver) {
    const int64_t n = shape_.batch, extras = Cell::kCandidate ? layout_.units : 0;
    for (int d = 0; d < shape_.directions; ++d) {
      Direction& a = directions_[d];
      a.steps = {shape_.offsets, shape_.steps, shape_.reverse[d]};
      a.input_panels = carver.take(layout_.packed_input_size(shape_.inputs));
      a.bias = carver.take(layout_.gates);
      a.candidate_bias = carver.take(layout_.units);
      a.panels = carver.take(layout_.packed_size());
      for (T*& state : a.state) state = carver.take(n * layout_.state_row);
      a.cell = carver.take(Cell::kCellState ? n * layout_.units : 0);
      const bool saves = Cell::kSavesGates && args_.saved;
      a.gate_block = carver.take(saves ? 0 : block_rows() * layout_.gates);
      a.extra_block = carver.take(saves ? 0 : block_rows() * extras);
      if (saves) {
        const int64_t rows = shape_.rows;
        a.gates = static_cast<T*>(args_.saved) + d * rows * (layout_.gates + layout_.units);
        a.extra = a.gates + rows * layout_.gates;
      }
    }
  }

  void prepare(int d) {
    const Direction& a = directions_[d];
    const kernels::RnnWeights& w = args_.weights[d];
    pack_gates<kTileCols<T>>(layout_, static_cast<const T*>(w.w_ih), shape_.inputs, a.input_panels);
    pack_gates<kPanel>(layout_, static_cast<const T*>(w.w_hh), layout_.hidden, a.panels);
    // The candidate's bias from the state is multiplied with r, all others are added at once.
    const auto *b_ih = static_cast<const T*>(w.b_ih), *b_hh = static_cast<const T*>(w.b_hh);
    clear_row(a.candidate_bias, layout_.units);
    for_each_gate_row(layout_, sizeof(T), [&](int64_t to, int64_t from) {
      const bool there = b_ih && from >= 0, candidate = Cell::kCandidate && (to / L) % G == G - 1;
      a.bias[to] = !there ? T(0) : candidate ? b_ih[from] : b_ih[from] + b_hh[from];
      if (there && candidate) a.candidate_bias[from - (G - 1) * layout_.hidden] = b_hh[from];
    });
    const int64_t n = shape_.batch, hidden = layout_.hidden;
    const T* h0 = static_cast<const T*>(args_.h0) + d * n * hidden;
    for (int64_t r = 0; r < n; ++r) {
      for (T* state : a.state) {
        copy_row(state + r * layout_.state_row, h0 + r * hidden, hidden);
        clear_row(state + r * layout_.state_row + hidden, layout_.state_row - hidden);
      }
      if constexpr (Cell::kCellState) {
        const T* c0 = static_cast<const T*>(args_.c0) + d * n * hidden;
        copy_row(a.cell + r * layout_.units, c0 + r * hidden, hidden);
        clear_row(a.cell + r * layout_.units + hidden, layout_.units - hidden);
      }
    }
  }

  void multiply_input(int d, int64_t begin, int64_t end) {
    Direction& a = directions_[d];
    const int64_t first = a.steps.first_row(begin, end), inputs = shape_.inputs;
    if (!(Cell::kSavesGates && args_.saved)) {
      a.gates = a.gate_block - first * layout_.gates;
      a.extra = a.extra_block - first * layout_.units;
    }
    const T* x = static_cast<const T*>(args_.x) + first * inputs;
    gemm<T>(a.steps.rows(begin, end), layout_.gates, inputs, Strided<T>{x, inputs, 1},
            PackedColumns<T>{a.input_panels, inputs},
            Result<T>{a.gates + first * layout_.gates, layout_.gates, a.bias, 0, 1});
  }

  [[gnu::noinline]] void take_step(const Direction& a, int d, int64_t step, int64_t first,
                                   int64_t last, int64_t first_panel, int64_t last_panel) const {
    last = smaller(last, a.steps.rows(step));
    if (first >= last) return;
    if (last - first == 1) {
      constexpr int kTogether = 8 / kVectors;
      for_each_rnn_panel<kTogether>(step, first_panel, last_panel, [&](int64_t p, int64_t count) {
        if (count == kTogether) return take_row<kTogether>(a, d, step, first, p);
        for (int64_t q = 0; q < count; ++q) take_row<1>(a, d, step, first, p + q);
      });
      return;
    }
    for_each_rnn_panel<1>(step, first_panel, last_panel,
                          [&](int64_t p, int64_t) { take_rows(a, d, step, first, last, p); });
  }

  void take_rows(const Direction& a, int d, int64_t step, int64_t first, int64_t last,
                 int64_t p) const {
    const int64_t each = even_part(last - first, kTileRows);
    const T* before = a.state[step % 2];
    const int vectors =
        static_cast<int>(smaller(kVectors, (layout_.groups - p * Layout::kPanelGroups) * G));
    for (int64_t row = first; row < last; row += each) {
      const int rows = static_cast<int>(smaller(each, last - row));
      RnnTarget<T> to[kVectors];
      targets(a, step, row, p, to);
      fetch_rows(to[0].c, to[0].c_row, rows, kPanel);
      multiply_rnn_rows<T, kVectors>(rows, layout_.hidden, before + row * layout_.state_row,
                                     layout_.state_row, panel(a, p), vectors, to);
      activate(a, d, step, row, rows, p);
    }
  }

  template <int kTogether>
  void take_row(const Direction& a, int d, int64_t step, int64_t row, int64_t p) const {
    RnnTarget<T> to[kTogether][kVectors];
    // The second group of an odd last panel goes nowhere.
    alignas(kVectorBytes) T nowhere[L];
    for (int q = 0; q < kTogether; ++q) {
      targets(a, step, row, p + q, to[q]);
      const int64_t vectors = (layout_.groups - (p + q) * Layout::kPanelGroups) * G;
      for (int64_t v = vectors; v < kVectors; ++v) to[q][v] = {nowhere, 0, nullptr, 0};
    }
    multiply_rnn_row<T, kTogether, kVectors>(layout_.hidden,
                                             a.state[step % 2] + row * layout_.state_row,
                                             panel(a, p), kPanel * layout_.hidden, to);
    for (int q = 0; q < kTogether; ++q) activate(a, d, step, row, 1, p + q);
  }

  const T* panel(const Direction& a, int64_t p) const {
    return a.panels + p * kPanel * layout_.hidden;
  }

  // The input's part of the gates, to which the state's is added; the candidate stays apart.
  LAMINA_INLINE void targets(const Direction& a, int64_t step, int64_t row, int64_t p,
                             RnnTarget<T> (&to)[kVectors]) const {
    const int64_t at = a.steps.first_row(step) + row;
    T* gates = a.gates + at * layout_.gates + p * kPanel;
    for (int v = 0; v < kVectors; ++v)
      to[v] = {gates + v * L, layout_.gates, gates + v * L, layout_.gates};
    if constexpr (Cell::kCandidate)
      to[G - 1] = {a.extra + at * layout_.units + p * L, layout_.units, a.candidate_bias + p * L,
                   0};
  }

  void activate(const Direction& a, int d, int64_t step, int64_t first, int rows, int64_t p) const {
    const int64_t y_row = shape_.directions * layout_.hidden;
    const bool saves = args_.saved;
    for (int64_t row = first; row < first + rows; ++row) {
      const int64_t at = a.steps.first_row(step) + row;
      T* y = static_cast<T*>(args_.y) + at * y_row + d * layout_.hidden;
      for (int64_t group = p * Layout::kPanelGroups;
           group < smaller(layout_.groups, (p + 1) * Layout::kPanelGroups); ++group) {
        const int64_t unit = group * L;
        CellStep<T> s{};
        s.gates = a.gates + at * layout_.gates + group * G * L;
        if constexpr (Cell::kCandidate) {
          s.candidate = a.extra + at * layout_.units + unit;
          s.h = load(a.state[step % 2] + row * layout_.state_row + unit);
        }
        if constexpr (Cell::kCellState) s.c = load(a.cell + row * layout_.units + unit);
        cell_.forward(s);
        if constexpr (Cell::kCellState) {
          store(a.cell + row * layout_.units + unit, s.c_new);
          if (saves) store(a.extra + at * layout_.units + unit, s.c_new);
        }
        store(a.state[1 - step % 2] + row * layout_.state_row + unit, s.h_new);
        store_lanes(y + unit, s.h_new, layout_.lanes(group));
      }
    }
  }

  // The states in which the sequences end.
  void finish(int d) const {
    const Direction& a = directions_[d];
    const int64_t n = shape_.batch, hidden = layout_.hidden;
    T* hn = static_cast<T*>(args_.hn) + d * n * hidden;
    for (int64_t row = 0, time = shape_.steps - 1; row < n; ++row) {
      while (shape_.offsets[time + 1] - shape_.offsets[time] <= row) --time;
      const int64_t at = shape_.offsets[shape_.reverse[d] ? 0 : time] + row;
      copy_row(hn + row * hidden,
               static_cast<const T*>(args_.y) + (at * shape_.directions + d) * hidden, hidden);
      if constexpr (Cell::kCellState)
        copy_row(static_cast<T*>(args_.cn) + (d * n + row) * hidden, a.cell + row * layout_.units,
                 hidden);
    }
  }

  const kernels::RnnForward& args_;
  const kernels::RnnShape& shape_;
  const Cell cell_;
  const Layout layout_;
  Direction directions_[2] = {};
};

}  // namespace lamina::cpu::LAMINA_ISA

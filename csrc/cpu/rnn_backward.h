// A recurrent layer backward through time.
//
// A step takes the derivative of the loss by its states, dy of the step and what the later step sent back, to that by
// its gates; these times W_hh, (rows, gates) by (gates, H), go to the earlier step, so that one region a step does:
// the product of the later step's gradients, and the cells on the tiles that it finishes.  After each block of steps
// come the products over all its rows (rnn_gradients.h).  Nothing of a whole sequence's length is allocated.  FLOPs:
// twice forward's.
#pragma once

#include "cpu/lanes.h"
#include "cpu/rnn_cell.h"
#include "cpu/rnn_gradients.h"
#include "cpu/rnn_product.h"

namespace lamina::cpu::LAMINA_ISA {

template <class T, class Cell>
class RnnBackwardPass {
  using Layout = RnnLayout<T, Cell>;
  static constexpr int L = Layout::L, G = Layout::G, kPanel = Layout::kBackPanel,
                       kVectors = kPanel / L;

  // Gradients of a block's gates, rows of gradient_row; the two are one but for a candidate's.
  struct Block {
    int64_t begin;               // its first step
    T *from_input, *from_state;  // row 0 of the whole sequence
  };

  struct Direction {
    RnnSteps steps;  // from the last that forward took to the first
    T* panels;
    T *dh, *dc;  // (N, state_row), (N, units)
    T* before;   // (block rows, units): the states before each step
    T* memory[2][2];
    Block blocks[2];         // the present one and the one before it, by turns
    int64_t turn;            // of the present one
    const T *gates, *extra;  // what forward saved
    RnnGradientSums<T, Cell> sums;
  };

 public:
  RnnBackwardPass(const kernels::RnnBackward& args, Cell cell)
      : args_(args), shape_(args.shape), cell_(cell), layout_(args.shape.hidden) {}

  void run() {
    Carver<T> counted;
    carve(counted);
    const Scratch memory(counted.used * sizeof(T));
    Carver<T> carver{memory.as<T>()};
    carve(carver);
    const int directions = shape_.directions;
    for (int d = 0; d < directions; ++d) prepare(d);
    if (args_.dx && directions == 2) clear_input_gradient();
    const int64_t panels = layout_.back_panels(), batch = shape_.batch;
    const RnnCut cut = rnn_cut(shape_, layout_.gates * layout_.hidden * int64_t{sizeof(T)}, panels);
    const auto body = [&](int d, int64_t step, int64_t first_row, int64_t last_row,
                          int64_t first_panel, int64_t last_panel) {
      take_step(directions_[d], d, step, first_row, last_row, first_panel, last_panel);
    };
    for (int64_t begin = 0, end, turn = 0; begin < shape_.steps; begin = end, turn = 1 - turn) {
      end = rnn_block_end(directions_[0].steps, directions_[directions - 1].steps, begin,
                          block_rows());
      for (int d = 0; d < directions; ++d) enter_block(d, begin, end, turn);
      for_each_rnn_task(cut, directions, begin, end, batch, panels, body);
      for (int d = 0; d < directions; ++d) leave_block(d, begin, end, turn);
    }
    // What the first step sends to the states before it.
    for_each_rnn_task(cut, directions, shape_.steps, shape_.steps + 1, batch, panels, body);
    for (int d = 0; d < directions; ++d) finish(d);
  }

 private:
  int64_t block_rows() const {
    return smaller(shape_.rows, larger(shape_.batch, rnn_block_rows<T>(layout_.gates)));
  }

  void carve(Carver<T>& carver) {
    const int64_t n = shape_.batch, block = block_rows(), gates = layout_.gates;
    const int blocks = block < shape_.rows ? 2 : 1;
    for (int d = 0; d < shape_.directions; ++d) {
      Direction& a = directions_[d];
      a.steps = {shape_.offsets, shape_.steps, !shape_.reverse[d]};
      a.panels = carver.take(layout_.back_packed_size(layout_.hidden));
      a.dh = carver.take(n * layout_.state_row);
      a.dc = carver.take(Cell::kCellState ? n * layout_.units : 0);
      a.before = carver.take(block * layout_.units);
      for (int b = 0; b < blocks; ++b) {
        a.memory[b][0] = carver.take(block * layout_.gradient_row);
        a.memory[b][1] =
            Cell::kCandidate ? carver.take(block * layout_.gradient_row) : a.memory[b][0];
      }
      a.sums.carve(carver, args_, layout_, d);
      if (Cell::kSavesGates) {
        a.gates = static_cast<const T*>(args_.saved) + d * shape_.rows * (gates + layout_.units);
        a.extra = a.gates + shape_.rows * gates;
      }
    }
  }

  void prepare(int d) {
    const Direction& a = directions_[d];
    pack_columns_of_gates(layout_, static_cast<const T*>(args_.weights[d].w_hh), layout_.hidden,
                          a.panels);
    a.sums.prepare();
    start(static_cast<const T*>(args_.dhn), d, a.dh, layout_.state_row);
    if constexpr (Cell::kCellState) start(static_cast<const T*>(args_.dcn), d, a.dc, layout_.units);
  }

  void start(const T* end, int d, T* state, int64_t row_length) const {
    const int64_t n = shape_.batch, hidden = layout_.hidden;
    for (int64_t r = 0; r < n; ++r) {
      clear_row(state + r * row_length, row_length);
      if (end) copy_row(state + r * row_length, end + (d * n + r) * hidden, hidden);
    }
  }

  void clear_input_gradient() const {
    T* dx = static_cast<T*>(args_.dx);
    const int64_t bytes = shape_.inputs * int64_t{sizeof(T)};
    parallel_for(shape_.rows, task_items(shape_.rows, bytes, kPackTaskBytes),
                 [&](int64_t begin, int64_t end) {
                   clear_row(dx + begin * shape_.inputs, (end - begin) * shape_.inputs);
                 });
  }

  // The state before a step, of row `row`: the output of the step that forward took before, or the first.
  const T* state_before(const Direction& a, int d, int64_t step, int64_t row) const {
    if (row >= a.steps.rows(step + 1))
      return static_cast<const T*>(args_.h0) + (d * shape_.batch + row) * layout_.hidden;
    return output(a.steps.first_row(step + 1) + row, d);
  }
  const T* output(int64_t row, int d) const {
    return static_cast<const T*>(args_.y) + (row * shape_.directions + d) * layout_.hidden;
  }

  void enter_block(int d, int64_t begin, int64_t end, int64_t turn) {
    Direction& a = directions_[d];
    const int64_t first = a.steps.first_row(begin, end), row = first * layout_.gradient_row;
    a.turn = turn;
    a.blocks[turn] = {begin, a.memory[turn][0] - row, a.memory[turn][1] - row};
    const int64_t n = shape_.batch, hidden = layout_.hidden, units = layout_.units;
    parallel_for((end - begin) * n,
                 task_items((end - begin) * n, units * int64_t{sizeof(T)}, kPackTaskBytes),
                 [&](int64_t from, int64_t to) {
                   for (int64_t i = from; i < to; ++i) {
                     const int64_t step = begin + i / n, r = i % n;
                     if (r >= a.steps.rows(step)) continue;
                     T* before = a.before + (a.steps.first_row(step) + r - first) * units;
                     copy_row(before, state_before(a, d, step, r), hidden);
                     clear_row(before + hidden, units - hidden);
                   }
                 });
  }

  const Block& block_of(const Direction& a, int64_t step) const {
    return a.blocks[step >= a.blocks[a.turn].begin ? a.turn : 1 - a.turn];
  }

  [[gnu::noinline]] void take_step(const Direction& a, int d, int64_t step, int64_t first,
                                   int64_t last, int64_t first_panel, int64_t last_panel) const {
    const int64_t sent = smaller(last, a.steps.rows(step - 1));  // rows that the later step reached
    const int64_t runs = smaller(last, a.steps.rows(step));
    last = larger(sent, runs);
    if (first >= last) return;
    if (last - first == 1) {
      constexpr int kTogether = 8 / kVectors;
      for_each_rnn_panel<kTogether>(step, first_panel, last_panel, [&](int64_t p, int64_t count) {
        if (first < sent && count == kTogether) multiply_row<kTogether>(a, step, first, p);
        for (int64_t q = p; q < p + count; ++q) {
          if (first < sent && count < kTogether) multiply_row<1>(a, step, first, q);
          if (first < runs) differentiate(a, d, step, first, last, q);
        }
      });
      return;
    }
    const int64_t each = even_part(last - first, kTileRows);
    for_each_rnn_panel<1>(step, first_panel, last_panel, [&](int64_t p, int64_t) {
      for (int64_t row = first; row < last; row += each) {
        const int64_t end = smaller(row + each, last);
        if (row < runs) fetch(a, step, row, smaller(end, runs), p);
        if (row < sent) multiply_rows(a, step, row, smaller(end, sent), p);
        if (row < runs) differentiate(a, d, step, row, smaller(end, runs), p);
      }
    });
  }

  // dh (+)= gates' gradients of the later step by W_hh.
  void multiply_rows(const Direction& a, int64_t step, int64_t row, int64_t end, int64_t p) const {
    RnnTarget<T> to[kVectors];
    targets(a, row, p, to);
    const int vectors =
        static_cast<int>(smaller(kVectors, layout_.groups - p * Layout::kBackPanelGroups));
    multiply_rnn_rows<T, kVectors>(static_cast<int>(end - row), layout_.gates,
                                   later_gradient(a, step, row), layout_.gradient_row, panel(a, p),
                                   vectors, to);
  }

  template <int kTogether>
  void multiply_row(const Direction& a, int64_t step, int64_t row, int64_t p) const {
    RnnTarget<T> to[kTogether][kVectors];
    alignas(kVectorBytes) T nowhere[L];
    for (int q = 0; q < kTogether; ++q) {
      targets(a, row, p + q, to[q]);
      if ((p + q) * Layout::kBackPanelGroups + 1 >= layout_.groups)
        to[q][1] = {nowhere, 0, nullptr, 0};
    }
    multiply_rnn_row<T, kTogether, kVectors>(layout_.gates, later_gradient(a, step, row),
                                             panel(a, p), kPanel * layout_.gates, to);
  }

  LAMINA_INLINE void targets(const Direction& a, int64_t row, int64_t p,
                             RnnTarget<T> (&to)[kVectors]) const {
    T* dh = a.dh + row * layout_.state_row + p * kPanel;
    // What the cell itself let through to h is there already.
    for (int v = 0; v < kVectors; ++v)
      to[v] = {dh + v * L, layout_.state_row, Cell::kCandidate ? dh + v * L : nullptr,
               layout_.state_row};
  }
  const T* later_gradient(const Direction& a, int64_t step, int64_t row) const {
    return block_of(a, step - 1).from_state +
           (a.steps.first_row(step - 1) + row) * layout_.gradient_row;
  }
  const T* panel(const Direction& a, int64_t p) const {
    return a.panels + p * kPanel * layout_.gates;
  }

  // What the cells read of forward's results comes from far: on its way while the product runs.
  LAMINA_INLINE void fetch(const Direction& a, int64_t step, int64_t row, int64_t end,
                           int64_t p) const {
    if constexpr (Cell::kSavesGates) {
      const int64_t at = a.steps.first_row(step) + row, unit = p * kPanel;
      fetch_rows(a.gates + at * layout_.gates + unit * G, layout_.gates, end - row, kPanel * G);
      fetch_rows(a.extra + at * layout_.units + unit, layout_.units, end - row, kPanel);
    }
  }

  void differentiate(const Direction& a, int d, int64_t step, int64_t first, int64_t last,
                     int64_t p) const {
    const Block& block = block_of(a, step);
    const auto* dys = static_cast<const T*>(args_.dy);
    for (int64_t row = first; row < last; ++row) {
      const int64_t at = a.steps.first_row(step) + row;
      const T* dy = dys ? dys + (at * shape_.directions + d) * layout_.hidden : nullptr;
      for (int64_t group = p * Layout::kBackPanelGroups;
           group < smaller(layout_.groups, (p + 1) * Layout::kBackPanelGroups); ++group) {
        const int64_t unit = group * L, gate = at * layout_.gradient_row + group * G * L;
        const int lanes = layout_.lanes(group);
        T* dh = a.dh + row * layout_.state_row + unit;
        CellGradient<T> g{};
        g.from_input = block.from_input + gate;
        g.from_state = block.from_state + gate;
        g.dh = load(dh);
        if (dy) g.dh += load_lanes(dy + unit, lanes);
        CellStep<T> s{};
        if constexpr (Cell::kSavesGates)
          s.gates = const_cast<T*>(a.gates) + at * layout_.gates + group * G * L;
        if constexpr (Cell::kCandidate) {
          s.candidate = const_cast<T*>(a.extra) + at * layout_.units + unit;
          s.h = load_lanes(state_before(a, d, step, row) + unit, lanes);
        }
        if constexpr (!Cell::kSavesGates) s.h_new = load_lanes(output(at, d) + unit, lanes);
        T* dc = a.dc + row * layout_.units + unit;
        if constexpr (Cell::kCellState) {
          s.c_new = load(a.extra + at * layout_.units + unit);
          s.c = cell_before(a, d, step, row, unit, lanes);
          g.dc = load(dc);
        }
        cell_.backward(s, g);
        if constexpr (Cell::kCandidate) store(dh, g.dh);
        if constexpr (Cell::kCellState) store(dc, g.dc);
        if (lanes < L) clear_padding(g, lanes);
      }
    }
  }

  LAMINA_INLINE Vec<T> cell_before(const Direction& a, int d, int64_t step, int64_t row,
                                   int64_t unit, int lanes) const {
    if (row < a.steps.rows(step + 1))
      return load(a.extra + (a.steps.first_row(step + 1) + row) * layout_.units + unit);
    const auto* c0 = static_cast<const T*>(args_.c0);
    return load_lanes(c0 + (d * shape_.batch + row) * layout_.hidden + unit, lanes);
  }

  // Padding of infinite gates may be NaN, and would spread through the products.
  LAMINA_INLINE static void clear_padding(const CellGradient<T>& g, int lanes) {
    for (int gate = 0; gate < G; ++gate)
      for (int i = lanes; i < L; ++i)
        g.from_input[gate * L + i] = g.from_state[gate * L + i] = T(0);
  }

  void leave_block(int d, int64_t begin, int64_t end, int64_t turn) const {
    const Direction& a = directions_[d];
    a.sums.add({a.steps.first_row(begin, end), a.steps.rows(begin, end), a.memory[turn][0],
                a.memory[turn][1], a.before, begin > 0});
  }

  void finish(int d) const {
    const Direction& a = directions_[d];
    const int64_t n = shape_.batch, hidden = layout_.hidden;
    for (int64_t r = 0; r < n; ++r) {
      copy_row(static_cast<T*>(args_.dh0) + (d * n + r) * hidden, a.dh + r * layout_.state_row,
               hidden);
      if constexpr (Cell::kCellState)
        copy_row(static_cast<T*>(args_.dc0) + (d * n + r) * hidden, a.dc + r * layout_.units,
                 hidden);
    }
    a.sums.finish();
  }

  const kernels::RnnBackward& args_;
  const kernels::RnnShape& shape_;
  const Cell cell_;
  const Layout layout_;
  Direction directions_[2] = {};
};

}  // namespace lamina::cpu::LAMINA_ISA

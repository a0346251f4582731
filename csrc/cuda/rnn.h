// What the passes of a recurrent layer share.
//
// Of a layer's states one buffer (N, H) a direction is kept, which ends as hn or dh0: sequences lie
// the longest first, so that a step takes the first rows of it and leaves those of sequences that are
// over, or that going backward in time have not begun.
#pragma once

#include "core/dtype.h"
#include "cuda/rnn_unit.h"
#include "kernels/matmul.h"
#include "kernels/rnn.h"

namespace lamina::cuda {

extern const kernels::Matmul matmul;

void rnn_backward(const kernels::RnnBackward& args);

inline constexpr int kRnnThreads = 128;

// A matrix of a product: rows `row` apart, columns `column`; transposed by exchanging them.
template <class T>
struct RnnMatrix {
  const T* data;
  int64_t row, column = 1;

  RnnMatrix transposed() const { return {data, column, row}; }
};

// c (m, n) = init + a (m, k) b (k, n); init: rows init_row apart, 0 for a bias; null for zero.
template <class T>
void rnn_product(T* c, int64_t m, int64_t n, int64_t k, RnnMatrix<T> a, RnnMatrix<T> b,
                 const T* init, int64_t init_row) {
  if (m == 0 || n == 0) return;
  kernels::MatrixProduct p{};
  p.dtype = dtype_of<T>;
  p.m = m;
  p.n = n;
  p.k = k;
  p.batch.rank = 1;
  p.batch.shape[0] = 1;
  p.batch.data[0] = c;
  p.batch.data[1] = const_cast<T*>(a.data);
  p.batch.data[2] = const_cast<T*>(b.data);
  p.batch.data[3] = const_cast<T*>(init);
  p.c_row = n;
  p.a_row = a.row;
  p.a_col = a.column;
  p.b_row = b.row;
  p.b_col = b.column;
  p.init_row = init_row;
  p.init_col = 1;
  matmul.multiply(p);
}

// Where direction d's part of `saved` begins: gates (rows, H, kSaved), then an LSTM's c (rows, H).
template <class Cell>
int64_t rnn_saved_row(const kernels::RnnShape& s) {
  return (Cell::kSaved + (Cell::kCellState ? 1 : 0)) * s.hidden;
}

// f(cell, number of the dtype)
template <class F>
void with_rnn_cell(const kernels::RnnShape& s, const F& f) {
  visit_real(s.dtype, [&](auto element) {
    switch (s.cell) {
      case kernels::RnnCell::tanh:
        return f(ElmanCell<false>{}, element);
      case kernels::RnnCell::relu:
        return f(ElmanCell<true>{}, element);
      case kernels::RnnCell::lstm:
        return f(LstmCell{}, element);
      case kernels::RnnCell::gru:
        return f(GruCell{}, element);
    }
  });
}

// Of direction d: `inputs` (D, rows, G H), what W_ih made.
template <class Cell, class T>
ForwardUnits<T> forward_units(const kernels::RnnForward& args, const T* inputs, int d) {
  const kernels::RnnShape& s = args.shape;
  const int64_t states = s.batch * s.hidden;
  ForwardUnits<T> u{};
  u.hidden = s.hidden;
  u.y_row = s.directions * s.hidden;
  u.input = inputs + d * s.rows * Cell::kGates * s.hidden;
  u.h = static_cast<T*>(args.hn) + d * states;
  u.c = Cell::kCellState ? static_cast<T*>(args.cn) + d * states : nullptr;
  u.y = static_cast<T*>(args.y) + d * s.hidden;
  if (Cell::kSaved > 0 && args.saved) {
    u.gates = static_cast<T*>(args.saved) + d * s.rows * rnn_saved_row<Cell>(s);
    u.cells = Cell::kCellState ? u.gates + s.rows * s.hidden * Cell::kSaved : nullptr;
  }
  return u;
}

// What the passes of backward hand on, for both directions: gradients by the gates (D, rows, G H), as
// W_ih and as W_hh made them, one and the same but for a GRU; and h before each step (D, rows, H).
template <class T>
struct RnnGates {
  T *input, *state, *before;
};

template <class Cell, class T>
BackwardUnits<T> backward_units(const kernels::RnnBackward& args, const RnnGates<T>& gates, int d) {
  const kernels::RnnShape& s = args.shape;
  const int64_t states = s.batch * s.hidden, of_gates = d * s.rows * Cell::kGates * s.hidden;
  const auto of = [](const void* data) { return static_cast<const T*>(data); };
  BackwardUnits<T> u{};
  u.hidden = s.hidden;
  u.y_row = s.directions * s.hidden;
  u.h0 = of(args.h0) + d * states;
  u.y = of(args.y) + d * s.hidden;
  u.dy = args.dy ? of(args.dy) + d * s.hidden : nullptr;
  if (Cell::kSaved > 0) u.gates = of(args.saved) + d * s.rows * rnn_saved_row<Cell>(s);
  u.dh = static_cast<T*>(args.dh0) + d * states;
  if (Cell::kCellState) {
    u.c0 = of(args.c0) + d * states;
    u.cells = u.gates + s.rows * s.hidden * Cell::kSaved;
    u.dc = static_cast<T*>(args.dc0) + d * states;
  }
  u.input = gates.input + of_gates;
  u.state = gates.state + of_gates;
  u.before = gates.before + d * s.rows * s.hidden;
  return u;
}

inline RnnSteps rnn_steps(const kernels::RnnShape& s, int direction) {
  return {s.steps, s.batch, s.offsets, s.reverse[direction]};
}

// All steps of both directions in one launch (rnn_persistent.h), from the first states where hn, cn,
// dh0 and dc0 will be.  False, and nothing done, where that does not fit or pay.
bool rnn_persistent_forward(const kernels::RnnForward& args, const void* inputs);
bool rnn_persistent_backward(const kernels::RnnBackward& args, void* input, void* state,
                             void* before);

}  // namespace lamina::cuda

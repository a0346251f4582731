// What the passes of a recurrent layer share.
//
// Of a layer's states one buffer (N, H) a direction is kept, which ends as hn or dh0: sequences lie
// the longest first, so that a step takes the first rows of it and leaves those of sequences that are
// over, or that going backward in time have not begun.
#pragma once

#include "core/dtype.h"
#include "cuda/rnn_cell.h"
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

// The rows of a step, and of the one before it in the direction's order: those of its sequences that
// had begun, the others come from the first state.
struct RnnStep {
  int64_t first, count;
  int64_t before, begun;
};

inline RnnStep rnn_step(const kernels::RnnShape& s, int direction, int64_t nth) {
  const int64_t t = s.reverse[direction] ? s.steps - 1 - nth : nth;
  RnnStep step{s.offsets[t], s.offsets[t + 1] - s.offsets[t], 0, 0};
  if (nth == 0) return step;
  const int64_t earlier = s.reverse[direction] ? t + 1 : t - 1;
  step.before = s.offsets[earlier];
  step.begun = s.offsets[earlier + 1] - step.before;
  return step;
}

}  // namespace lamina::cuda

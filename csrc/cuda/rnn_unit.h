// One hidden unit of one sequence in a step, forward and backward: what it reads, its cell, what it
// leaves.  Called by the kernels of both ways through time (rnn.cu, rnn_persistent.cu).
#pragma once

#include "cuda/rnn_cell.h"

namespace lamina::cuda {

// The rows of a step, and of the one before it in the direction's order: those of its sequences that
// had begun, the others come from the first state.
struct RnnStep {
  int64_t first, count;
  int64_t before, begun;
};

// Where the rows of a direction's steps lie.
struct RnnSteps {
  int64_t steps, batch;
  const int64_t* offsets;  // (steps + 1), or null where every step has `batch` rows
  bool reverse;

  __host__ __device__ int64_t offset(int64_t t) const { return offsets ? offsets[t] : t * batch; }

  // The nth that the direction takes.
  __host__ __device__ RnnStep step(int64_t nth) const {
    const int64_t t = reverse ? steps - 1 - nth : nth;
    RnnStep step{offset(t), 0, 0, 0};
    step.count = offset(t + 1) - step.first;
    if (nth == 0) return step;
    const int64_t earlier = reverse ? t + 1 : t - 1;
    step.before = offset(earlier);
    step.begun = offset(earlier + 1) - step.before;
    return step;
  }
};

// Arrays of one direction, forward.
template <class T>
struct ForwardUnits {
  int64_t hidden, y_row;  // y_row: from row to row of y
  const T* input;         // (rows, G H): what W_ih made
  T *h, *c;               // (N, H): the states after the last step that ran; c: an LSTM's
  T* y;                   // (rows, H)
  T *gates, *cells;       // to save, or null: (rows, H, kSaved), (rows, H)
};

// state: what W_hh made; h: the state before.
template <class Cell, class T>
__device__ __forceinline__ void forward_unit(const ForwardUnits<T>& u, int64_t row,
                                             int64_t sequence, int64_t unit, const T* input,
                                             const T* state, T h) {
  constexpr int kSaved = Cell::kSaved;
  const int64_t i = sequence * u.hidden + unit, at = row * u.hidden + unit;
  T gates[kSaved > 0 ? kSaved : 1];
  const RnnStates<T> before{h, Cell::kCellState ? u.c[i] : T(0)};
  const RnnStates<T> after = Cell::forward(input, state, before, gates);
  u.h[i] = u.y[row * u.y_row + unit] = after.h;
  if (Cell::kCellState) u.c[i] = after.c;
  if constexpr (kSaved > 0) {
    if (!u.gates) return;
    for (int g = 0; g < kSaved; ++g) u.gates[at * kSaved + g] = gates[g];
    if (Cell::kCellState) u.cells[at] = after.c;
  }
}

// Arrays of one direction, backward.
template <class T>
struct BackwardUnits {
  int64_t hidden, y_row;      // y_row: from row to row of y and dy
  const T *h0, *c0, *y, *dy;  // dy may be null
  const T *gates, *cells;     // what forward saved, of all rows
  T *dh, *dc;                 // (N, H): by the states after the step, then before it
  T *input, *state;           // (rows, G H): by the gates; one and the same but for a GRU
  T* before;                  // (rows, H): h before each step
};

// From dh, the derivative by h after the step but for what comes by y.  Leaves in u.dh that by h
// before it but for what goes through W_hh.
template <class Cell, class T>
__device__ __forceinline__ void backward_unit(const BackwardUnits<T>& u, const RnnStep& step,
                                              int64_t sequence, int64_t unit, T dh) {
  constexpr int kGates = Cell::kGates, kSaved = Cell::kSaved;
  const int64_t i = sequence * u.hidden + unit;
  const int64_t row = step.first + sequence, at = row * u.hidden + unit;
  const int64_t earlier = step.before + sequence;
  const bool begun = sequence < step.begun;
  RnnStates<T> before{begun ? u.y[earlier * u.y_row + unit] : u.h0[i], T(0)};
  RnnStates<T> after{u.y[row * u.y_row + unit], T(0)};
  RnnStates<T> d{dh + (u.dy ? u.dy[row * u.y_row + unit] : T(0)), T(0)};
  if (Cell::kCellState) {
    before.c = begun ? u.cells[earlier * u.hidden + unit] : u.c0[i];
    after.c = u.cells[at];
    d.c = u.dc[i];
  }
  T gates[kSaved > 0 ? kSaved : 1], input[kGates], state[kGates];
  if constexpr (kSaved > 0)
    for (int g = 0; g < kSaved; ++g) gates[g] = u.gates[at * kSaved + g];
  d = Cell::backward(gates, before, after, d, input, state);
  for (int g = 0; g < kGates; ++g) {
    const int64_t to = (row * kGates + g) * u.hidden + unit;
    u.input[to] = input[g];
    if (Cell::kCandidate) u.state[to] = state[g];
  }
  u.before[at] = before.h;
  u.dh[i] = d.h;
  if (Cell::kCellState) u.dc[i] = d.c;
}

}  // namespace lamina::cuda

// One recurrent layer over whole sequences, in one direction or both.
//
// T steps, N sequences, I inputs, H hidden units, G gates (1; LSTM 4: i, f, g, o; GRU 3: r, z, n), D directions.  The
// rows of a step are the sequences that still run, the longest first; `rows` is the sum over all steps.  Everything is
// contiguous, of one dtype, float32 or float64.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lamina::kernels {

enum class RnnCell : uint8_t { tanh, relu, lstm, gru };

struct RnnShape {
  RnnCell cell;
  DType dtype;
  int64_t steps, batch, inputs, hidden;
  const int64_t*
      offsets;      // (T + 1): the first row of each step; steps never grow, the first has N rows
  int64_t rows;     // offsets[T]
  int directions;   // 1 or 2
  bool reverse[2];  // per direction: from the last step to the first
};

struct RnnWeights {
  const void *w_ih, *w_hh;  // (G H, I), (G H, H)
  const void *b_ih, *b_hh;  // (G H) both, or both null
};

struct RnnForward {
  RnnShape shape;
  RnnWeights weights[2];  // per direction
  const void* x;          // (rows, I)
  const void *h0, *c0;    // (D, N, H); c0 is an LSTM's
  void* y;                // (rows, D H): the states h, the directions side by side
  void *hn, *cn;          // (D, N, H): the states in which the sequences end
  void*
      saved;  // what backward needs of this pass, saved_size elements; null where there will be none
};

struct RnnGradients {
  void *w_ih, *w_hh, *b_ih,
      *b_hh;  // as the weights; null where not wanted, the biases both or neither
};

struct RnnBackward {
  RnnShape shape;
  RnnWeights weights[2];
  const void *x, *h0, *c0, *y, *saved;
  const void *dy, *dhn, *dcn;  // null: zero
  void* dx;                    // (rows, I), or null
  void *dh0, *dc0;             // (D, N, H)
  RnnGradients gradients[2];
};

struct Rnn {
  int64_t (*saved_size)(const RnnShape& shape);  // in elements
  void (*forward)(const RnnForward& args);
  void (*backward)(const RnnBackward& args);
};

}  // namespace lamina::kernels

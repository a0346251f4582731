// Recurrent layers over whole sequences.
#pragma once

#include <optional>
#include <vector>

#include "core/array.h"

namespace lamina::ops {

// Of one direction.
struct RnnParameters {
  Array w_ih, w_hh;                 // (G H, I), (G H, H)
  std::optional<Array> b_ih, b_hh;  // (G H), both or neither
};

struct RnnCall {
  int cell;                          // kernels::RnnCell
  std::vector<int64_t> batch_sizes;  // how many sequences run at each step, never rising
  std::vector<RnnParameters>
      directions;  // from the first step to the last; and from the last to the first
};

struct RnnResult {
  Array y, hn;  // (rows, D H), (D, N, H)
  std::optional<Array> cn, saved;
};

// x (rows, I): the steps one after the other; h0, c0 (D, N, H), c0 an LSTM's.  `saves`: keep what backward needs.
RnnResult rnn(const RnnCall& call, const Array& x, const Array& h0, const std::optional<Array>& c0,
              bool saves);

struct RnnGradientArrays {
  std::optional<Array> dx;
  Array dh0;
  std::optional<Array> dc0;
  std::vector<std::optional<Array>> weights;  // w_ih, w_hh, b_ih, b_hh of each direction
};

// y, saved: as rnn gave them; gradients that are absent are zero.  `wanted`: of x, then of each direction's w_ih, w_hh
// and biases.
RnnGradientArrays rnn_backward(const RnnCall& call, const Array& x, const Array& h0,
                               const std::optional<Array>& c0, const Array& y,
                               const std::optional<Array>& saved, const std::optional<Array>& dy,
                               const std::optional<Array>& dhn, const std::optional<Array>& dcn,
                               const std::vector<bool>& wanted);

}  // namespace lamina::ops

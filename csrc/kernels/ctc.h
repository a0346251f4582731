// Connectionist temporal classification; all arrays dense, float32 or float64.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lamina::kernels {

// A label sequence l of length S is extended by blanks to l' of 2 S + 1 positions: b l1 b l2 ... b.
struct CtcParams {
  int64_t steps, batch, classes;
  int64_t positions;  // 2 S + 1 of the longest sequence
  int64_t blank;
  const int64_t* labels;         // all sequences
  const int64_t* offsets;        // (batch): where each begins in `labels`
  const int64_t* input_lengths;  // (batch), at most `steps`
  const int64_t* label_lengths;  // (batch)
};

struct Ctc {
  // log_probs (steps, batch, classes); losses (batch); log_alpha (batch, steps, positions): the
  // log-probability of all ways to reach a position at a step.
  void (*forward)(DType dtype, const CtcParams& params, const void* log_probs, void* losses,
                  void* log_alpha);
  // dlog_probs as if log_probs came from log_softmax: p - (the posterior of each class), times
  // dlosses. Infinite losses give zeros with `zero_infinity`, else NaN.
  void (*backward)(DType dtype, const CtcParams& params, const void* log_probs, const void* losses,
                   const void* log_alpha, const void* dlosses, bool zero_infinity,
                   void* dlog_probs);
};

}  // namespace lamina::kernels

// What both passes of a recurrent layer share: the order of steps, how a step is dealt out to threads, where memory lies.
#pragma once

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/rnn_layout.h"
#include "kernels/rnn.h"

namespace lamina::cpu::LAMINA_ISA {

// The steps of one direction in the order in which a pass takes them.
struct RnnSteps {
  const int64_t* offsets;
  int64_t count;
  bool descending;

  int64_t time(int64_t step) const { return descending ? count - 1 - step : step; }
  int64_t first_row(int64_t step) const { return offsets[time(step)]; }
  // The sequences that run; none outside of the pass.
  int64_t rows(int64_t step) const {
    if (step < 0 || step >= count) return 0;
    return offsets[time(step) + 1] - offsets[time(step)];
  }
  // Of steps [begin, end): they lie together.
  int64_t first_row(int64_t begin, int64_t end) const {
    return descending ? first_row(end - 1) : first_row(begin);
  }
  int64_t rows(int64_t begin, int64_t end) const {
    const int64_t first = time(descending ? end - 1 : begin);
    return offsets[first + (end - begin)] - offsets[first];
  }
};

// The products over many steps run block by block, so that what they leave is still in L2 when the steps read it, and the
// other way round: 1 MB of gates.  Where that is too few rows, the weights' gradients would be read and written again
// more often than it gains.
template <class T>
int64_t rnn_block_rows(int64_t gates) {
  const int64_t fit = (1 << 20) / (gates * static_cast<int64_t>(sizeof(T)));
  return fit >= 256 ? fit : 1024;
}

// The end of the block of steps that begins with `begin`: as many as give no direction more rows than that.
LAMINA_INLINE int64_t rnn_block_end(const RnnSteps& a, const RnnSteps& b, int64_t begin,
                                    int64_t most_rows) {
  int64_t end = begin + 1;
  while (end < a.count && a.rows(begin, end + 1) <= most_rows &&
         b.rows(begin, end + 1) <= most_rows)
    ++end;
  return end;
}

// How one direction's part of a step is dealt out.  Where the recurrent weights stay in every core's L2 and there are
// rows enough, by rows: each task runs through all steps of a block and waits for nobody.  Otherwise by units, one
// parallel region a step: each core keeps its share of the weights in cache.  The number of threads may decide, since
// every number is computed by one task, its terms in the same order, however the step is dealt out.
struct RnnCut {
  int64_t rows = 1, units = 1;
};

LAMINA_INLINE RnnCut rnn_cut(const kernels::RnnShape& shape, int64_t weight_bytes, int64_t panels) {
  constexpr int64_t kResidentBytes = 768 << 10, kLeastRows = 8;
  constexpr int64_t kTaskFlops = 200'000, kTaskBytes = 80 << 10;  // some 2 microseconds
  const int64_t share = ceil_div(num_threads(), shape.directions);
  if (weight_bytes <= kResidentBytes && shape.batch >= kLeastRows * share) return {share, 1};
  const int64_t size = shape.dtype == DType::float64 ? 8 : 4;
  const int64_t flops = 2 * weight_bytes / size * shape.batch;
  const int64_t worth = larger(flops / kTaskFlops, weight_bytes / kTaskBytes);
  return {1, larger(1, smaller(smaller(share, panels), worth))};
}

// body(direction, step, rows, units): [begin, end) of rows and of panels, for every step of [begin, end).
template <class Body>
void for_each_rnn_task(const RnnCut& cut, int directions, int64_t begin, int64_t end, int64_t batch,
                       int64_t panels, const Body& body) {
  if (cut.units == 1) {
    parallel_for(directions * cut.rows, 1, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i)
        for (int64_t step = begin, r = i % cut.rows; step < end; ++step)
          body(static_cast<int>(i / cut.rows), step, batch * r / cut.rows,
               batch * (r + 1) / cut.rows, 0, panels);
    });
    return;
  }
  for (int64_t step = begin; step < end; ++step)
    parallel_for(directions * cut.units, 1, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) {
        const int64_t u = i % cut.units;
        body(static_cast<int>(i / cut.units), step, 0, batch, panels * u / cut.units,
             panels * (u + 1) / cut.units);
      }
    });
}

// f(panel, count) for [begin, end), kTogether panels at a time (fewer at the end): forwards in even steps and backwards
// in odd ones, so that weights which L2 does not hold whole are read where the last step has just read them.
template <int kTogether, class F>
LAMINA_INLINE void for_each_rnn_panel(int64_t step, int64_t begin, int64_t end, const F& f) {
  const int64_t parts = ceil_div(end - begin, kTogether);
  for (int64_t i = 0; i < parts; ++i) {
    const int64_t p = begin + (step % 2 == 0 ? i : parts - 1 - i) * kTogether;
    f(p, smaller(kTogether, end - p));
  }
}

// Deals out one piece of scratch memory; counts what is needed while there is none.
template <class T>
struct Carver {
  T* base = nullptr;
  int64_t used = 0;

  T* take(int64_t count) {
    T* piece = base ? base + used : nullptr;
    used += ceil_div(count, kLanes<T>) * kLanes<T>;
    return piece;
  }
};

}  // namespace lamina::cpu::LAMINA_ISA

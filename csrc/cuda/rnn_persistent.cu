// A recurrent layer forward in one launch, W_hh in shared memory (rnn_persistent.h).
//
// A step reads the states of the step before, N H numbers a block, and adds W_hh's part to the gates
// that W_ih made.  Bound by latency: a barrier of the grid, some 1 us, and, of N sequences on B
// blocks, N G H^2 / B multiply-adds a block, at a load of 16 bytes for every 8 of them.  By count, an
// LSTM of 512 units and 32 sequences on the 132 multiprocessors of an H200: 1 MB of weights a
// direction would pass from L2 each step, stays in 32 KB a block; 64 KB of states a block come from
// L2, 8.6 MB in all, 1.6 us at 5.5 TB/s; 254,000 multiply-adds a block, 1.1 us at 128 a clock.
// Compiled and emulated, not yet run on a device.
#include "cuda/rnn_persistent.h"

namespace lamina::cuda {
namespace {

using kernels::RnnForward;
using kernels::RnnShape;

template <class T>
struct ForwardDirection {
  RnnSteps steps;
  ForwardUnits<T> units;
  const T *w_hh, *b_hh;  // b_hh may be null
  const T* h0;           // (N, H)
};

template <class T>
struct PersistentForward {
  ForwardDirection<T> directions[2];
  GridBarrier barrier;
  int64_t hidden;
  int units;     // of a block
  bool aligned;  // rows of y and h0 are whole vectors
};

// Hidden units of a tile: the gates of one, or four of a cell with one gate.
template <class Cell>
inline constexpr int kForwardUnits = Cell::kGates == 1 ? kTile : 1;

// A block: a slice of units, and the direction.
template <class Cell, class T>
__global__ void __launch_bounds__(kPersistentThreads)
    persistent_forward_kernel(const PersistentForward<T> p) {
  constexpr int kGates = Cell::kGates, kUnits = kForwardUnits<Cell>;
  LAMINA_DYNAMIC_SHARED(T, weights);  // (units, gates, pitch)
  const ForwardDirection<T>& d = p.directions[blockIdx.y];
  const int64_t hidden = p.hidden, pitch = weight_pitch<T>(hidden);
  const int64_t first_unit = int64_t{blockIdx.x} * p.units;
  keep_weights(weights, int64_t{p.units} * kGates, hidden, [&](int64_t column, int64_t k) {
    const int64_t unit = first_unit + column / kGates, gate = column % kGates;
    return unit < hidden ? d.w_hh[(gate * hidden + unit) * hidden + k] : T(0);
  });
  __syncthreads();
  const int lane = static_cast<int>(threadIdx.x % kWarpSize);
  const int r = lane / kUnits % kTile, u = lane % kUnits;  // the cell of a lane
  for (int64_t nth = 0; nth < d.steps.steps; ++nth) {
    if (nth > 0) p.barrier.wait(static_cast<unsigned>(nth));
    const RnnStep step = d.steps.step(nth);
    const auto state_of = [&](int64_t sequence) {
      return sequence < step.begun ? d.units.y + (step.before + sequence) * d.units.y_row
                                   : d.h0 + sequence * hidden;
    };
    for_tiles<kUnits>(step.count, p.units, [&](int64_t first, int offset) {
      const int64_t sequence = first + r, unit = first_unit + offset + u;
      const int64_t row = step.first + sequence;
      const bool works = lane < kTile * kUnits && sequence < step.count && unit < hidden;
      T input[kGates] = {}, state[kGates];
      LAMINA_UNROLL
      for (int g = 0; g < kGates; ++g)
        if (works) input[g] = d.units.input[(row * kGates + g) * hidden + unit];
      const T* rows[kTile];
      LAMINA_UNROLL
      for (int i = 0; i < kTile; ++i)
        rows[i] = state_of(first + i < step.count ? first + i : first);
      const T sum =
          tile_product<kUnits * kGates>(rows, weights + offset * kGates * pitch, hidden, p.aligned);
      LAMINA_UNROLL
      for (int g = 0; g < kGates; ++g)
        state[g] = __shfl_sync(kAllLanes, sum, r * kTile + u * kGates + g);
      if (!works) return;
      LAMINA_UNROLL
      for (int g = 0; g < kGates; ++g)
        if (d.b_hh) state[g] += d.b_hh[g * hidden + unit];
      forward_unit<Cell>(d.units, row, sequence, unit, input, state, state_of(sequence)[unit]);
    });
  }
}

template <class Cell, class T>
bool run(const RnnForward& args, const T* inputs) {
  const RnnShape& s = args.shape;
  auto* kernel = &persistent_forward_kernel<Cell, T>;
  const int64_t bytes = Cell::kGates * weight_pitch<T>(s.hidden) * int64_t{sizeof(T)};
  const PersistentPlan plan = plan_persistent(kernel, s, Cell::kGates, kForwardUnits<Cell>, bytes);
  if (plan.slices == 0) return false;
  const PersistentSteps steps(s);
  const RnnBarrier barrier;
  PersistentForward<T> p{};
  p.barrier = barrier.get();
  p.hidden = s.hidden;
  p.units = plan.units;
  p.aligned = s.hidden % kRnnVector<T> == 0 && in_vectors(args.h0) && in_vectors(args.y);
  for (int d = 0; d < s.directions; ++d)
    p.directions[d] = {steps.of(d), forward_units<Cell>(args, inputs, d),
                       static_cast<const T*>(args.weights[d].w_hh),
                       static_cast<const T*>(args.weights[d].b_hh),
                       static_cast<const T*>(args.h0) + d * s.batch * s.hidden};
  launch_cooperative(kernel, dim3(plan.slices, static_cast<unsigned>(s.directions)),
                     kPersistentThreads, plan.shared, stream(), p);
  return true;
}

}  // namespace

bool rnn_persistent_forward(const RnnForward& args, const void* inputs) {
  bool done = false;
  with_rnn_cell(args.shape, [&](auto cell, auto element) {
    done = run<decltype(cell)>(args, static_cast<const decltype(element)*>(inputs));
  });
  return done;
}

}  // namespace lamina::cuda

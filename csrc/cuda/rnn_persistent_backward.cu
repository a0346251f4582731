// A recurrent layer backward through time in one launch, W_hh in shared memory (rnn_persistent.h).
//
// A block owns columns of W_hh.  Between two barriers it sends the gradients by the gates of the step
// before, G H numbers a sequence, through them to its units' states, and runs their cells, which leave
// the gradients by the gates of this step.  Bound as forward is, by latency, with G times the bytes a
// step: an LSTM of 512 units and 32 sequences reads 256 KB a block, 34 MB in all, 6 us at 5.5 TB/s.
// Compiled and emulated, not yet run on a device.
#include "cuda/rnn_persistent.h"

namespace lamina::cuda {
namespace {

using kernels::RnnBackward;
using kernels::RnnShape;

template <class T>
struct BackwardDirection {
  RnnSteps steps;
  BackwardUnits<T> units;
  const T* w_hh;
};

template <class T>
struct PersistentBackward {
  BackwardDirection<T> directions[2];
  GridBarrier barrier;
  int64_t hidden;
  int units;     // of a block
  bool aligned;  // rows of gradients by the gates are whole vectors
};

// A block: a slice of units, and the direction.
template <class Cell, class T>
__global__ void __launch_bounds__(kPersistentThreads)
    persistent_backward_kernel(const PersistentBackward<T> p) {
  LAMINA_DYNAMIC_SHARED(T, weights);  // (units, pitch)
  const BackwardDirection<T>& d = p.directions[blockIdx.y];
  const int64_t hidden = p.hidden, gates = Cell::kGates * hidden, pitch = weight_pitch<T>(gates);
  const int64_t first_unit = int64_t{blockIdx.x} * p.units, steps = d.steps.steps;
  keep_weights(weights, p.units, gates, [&](int64_t column, int64_t k) {
    const int64_t unit = first_unit + column;
    return unit < hidden ? d.w_hh[k * hidden + unit] : T(0);
  });
  __syncthreads();
  const int lane = static_cast<int>(threadIdx.x % kWarpSize);
  RnnStep later{};  // the step before this one on the way back; none at first
  // After the first step of all, -1: its gates' gradients go to the first states.
  for (int64_t nth = steps - 1; nth >= -1; --nth) {
    if (nth < steps - 1) p.barrier.wait(static_cast<unsigned>(steps - 1 - nth));
    const RnnStep step = nth < 0 ? RnnStep{} : d.steps.step(nth);
    const int64_t sequences = step.count > later.count ? step.count : later.count;
    for_tiles<kTile>(sequences, p.units, [&](int64_t first, int offset) {
      T sum = 0;
      if (first < later.count) {
        const T* rows[kTile];
        LAMINA_UNROLL
        for (int i = 0; i < kTile; ++i)
          rows[i] =
              d.units.state + (later.first + (first + i < later.count ? first + i : first)) * gates;
        sum = tile_product<kTile>(rows, weights + offset * pitch, gates, p.aligned);
      }
      const int64_t sequence = first + lane / kTile, unit = first_unit + offset + lane % kTile;
      if (lane >= kTile * kTile || sequence >= sequences || unit >= hidden) return;
      T& dh = d.units.dh[sequence * hidden + unit];
      if (sequence < later.count) dh += sum;
      if (sequence < step.count) backward_unit<Cell>(d.units, step, sequence, unit, dh);
    });
    later = step;
  }
}

template <class Cell, class T>
bool run(const RnnBackward& args, const RnnGates<T>& memory) {
  const RnnShape& s = args.shape;
  auto* kernel = &persistent_backward_kernel<Cell, T>;
  const int64_t gates = Cell::kGates * s.hidden;
  const PersistentPlan plan =
      plan_persistent(kernel, s, Cell::kGates, kTile, weight_pitch<T>(gates) * int64_t{sizeof(T)});
  if (plan.slices == 0) return false;
  const PersistentSteps steps(s);
  const RnnBarrier barrier;
  PersistentBackward<T> p{};
  p.barrier = barrier.get();
  p.hidden = s.hidden;
  p.units = plan.units;
  p.aligned = gates % kRnnVector<T> == 0 && in_vectors(memory.state);
  for (int d = 0; d < s.directions; ++d)
    p.directions[d] = {steps.of(d), backward_units<Cell>(args, memory, d),
                       static_cast<const T*>(args.weights[d].w_hh)};
  launch_cooperative(kernel, dim3(plan.slices, static_cast<unsigned>(s.directions)),
                     kPersistentThreads, plan.shared, stream(), p);
  return true;
}

}  // namespace

bool rnn_persistent_backward(const RnnBackward& args, void* input, void* state, void* before) {
  bool done = false;
  with_rnn_cell(args.shape, [&](auto cell, auto element) {
    using T = decltype(element);
    done = run<decltype(cell)>(
        args, RnnGates<T>{static_cast<T*>(input), static_cast<T*>(state), static_cast<T*>(before)});
  });
  return done;
}

}  // namespace lamina::cuda

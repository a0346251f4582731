// A recurrent layer over whole sequences, forward.
//
// One product makes the input's part of all gates of all steps.  Then all steps run in one launch,
// where the recurrent weights fit on the chip (rnn_persistent.cu), or step by step: a product of
// the states with these weights, and the cells, a thread a hidden unit of a sequence.  Those are
// two or three launches a step, which small layers are bound by; large ones by the bytes of the
// recurrent weights, read once a step from L2: of 1024 LSTM units 16 MB, 3 us at 5.5 TB/s.
// Compiled and emulated, not yet run on a device.
#include "core/cuda.h"
#include "cuda/rnn.h"
#include "cuda/scratch.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using kernels::RnnForward;
using kernels::RnnShape;

// state: (count, G H), what W_hh made.
template <class Cell, class T>
__global__ void __launch_bounds__(kRnnThreads)
    forward_kernel(const ForwardUnits<T> units, const RnnStep step, const T* recurrent) {
  constexpr int kGates = Cell::kGates;
  const int64_t i = int64_t{blockIdx.x} * kRnnThreads + threadIdx.x;
  if (i >= step.count * units.hidden) return;
  const int64_t sequence = i / units.hidden, unit = i - sequence * units.hidden;
  const int64_t row = step.first + sequence;
  T input[kGates], state[kGates];
  for (int g = 0; g < kGates; ++g) {
    input[g] = units.input[(row * kGates + g) * units.hidden + unit];
    state[g] = recurrent[(sequence * kGates + g) * units.hidden + unit];
  }
  forward_unit<Cell>(units, row, sequence, unit, input, state, units.h[i]);
}

template <class Cell, class T>
void run_steps(const RnnForward& args, const T* inputs, int d) {
  const RnnShape& s = args.shape;
  const int64_t gates = Cell::kGates * s.hidden;
  const auto& w = args.weights[d];
  const ForwardUnits<T> units = forward_units<Cell>(args, inputs, d);
  const DeviceScratch recurrent(static_cast<size_t>(s.batch * gates) * sizeof(T));
  for (int64_t nth = 0; nth < s.steps; ++nth) {
    const RnnStep step = rnn_steps(s, d).step(nth);
    if (step.count == 0) continue;
    rnn_product(recurrent.as<T>(), step.count, gates, s.hidden, RnnMatrix<T>{units.h, s.hidden},
                RnnMatrix<T>{static_cast<const T*>(w.w_hh), s.hidden}.transposed(),
                static_cast<const T*>(w.b_hh), 0);
    launch(&forward_kernel<Cell, T>, blocks_for(step.count * s.hidden, kRnnThreads), kRnnThreads, 0,
           stream(), units, step, static_cast<const T*>(recurrent.as<T>()));
  }
}

template <class Cell, class T>
void run(const RnnForward& args) {
  const RnnShape& s = args.shape;
  const int64_t gates = Cell::kGates * s.hidden;
  const auto copy = [&](void* to, const void* from) {
    const auto bytes = static_cast<size_t>(s.directions * s.batch * s.hidden) * sizeof(T);
    LAMINA_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream()));
  };
  copy(args.hn, args.h0);
  if (args.c0) copy(args.cn, args.c0);
  const DeviceScratch inputs(static_cast<size_t>(s.directions * s.rows * gates) * sizeof(T));
  for (int d = 0; d < s.directions; ++d)
    rnn_product(inputs.as<T>() + d * s.rows * gates, s.rows, gates, s.inputs,
                RnnMatrix<T>{static_cast<const T*>(args.x), s.inputs},
                RnnMatrix<T>{static_cast<const T*>(args.weights[d].w_ih), s.inputs}.transposed(),
                static_cast<const T*>(args.weights[d].b_ih), 0);
  if (rnn_persistent_forward(args, inputs.as<T>())) return;
  for (int d = 0; d < s.directions; ++d)
    run_steps<Cell>(args, static_cast<const T*>(inputs.as<T>()), d);
}

int64_t saved_size(const RnnShape& s) {
  int64_t size = 0;
  with_rnn_cell(
      s, [&](auto cell, auto) { size = s.directions * s.rows * rnn_saved_row<decltype(cell)>(s); });
  return size;
}

void forward(const RnnForward& args) {
  with_rnn_cell(args.shape,
                [&](auto cell, auto element) { run<decltype(cell), decltype(element)>(args); });
}

}  // namespace

LAMINA_CUDA_KERNELS(Rnn, rnn){&saved_size, &forward, &rnn_backward};

}  // namespace lamina::cuda

// A recurrent layer over whole sequences, forward.
//
// One product makes the input's part of all gates of all steps; then, step by step, a product of the
// states with the recurrent weights, and the cells: a thread a hidden unit of a sequence.  Two or three
// launches a step, which small layers are bound by; large ones by the bytes of the recurrent weights,
// read once a step from L2.
#include "core/cuda.h"
#include "cuda/rnn.h"
#include "cuda/scratch.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using kernels::RnnForward;
using kernels::RnnShape;

template <class T>
struct ForwardStep {
  int64_t count, hidden, y_row;  // sequences of the step
  const T *input, *state;        // (count, G H): what the two weights made
  T *h, *c;                      // (N, H), to be replaced; c: an LSTM's
  T* y;                          // the step's rows of this direction
  T *gates, *cells;              // to save, or null: (count, H, kSaved), (count, H)
};

template <class Cell, class T>
__global__ void __launch_bounds__(kRnnThreads) forward_kernel(const ForwardStep<T> s) {
  constexpr int kGates = Cell::kGates, kSaved = Cell::kSaved;
  const int64_t i = int64_t{blockIdx.x} * kRnnThreads + threadIdx.x;
  if (i >= s.count * s.hidden) return;
  const int64_t sequence = i / s.hidden, unit = i - sequence * s.hidden;
  T input[kGates], state[kGates], gates[kSaved > 0 ? kSaved : 1];
  for (int g = 0; g < kGates; ++g) {
    const int64_t at = (sequence * kGates + g) * s.hidden + unit;
    input[g] = s.input[at];
    state[g] = s.state[at];
  }
  const RnnStates<T> before{s.h[i], Cell::kCellState ? s.c[i] : T(0)};
  const RnnStates<T> after = Cell::forward(input, state, before, gates);
  s.h[i] = s.y[sequence * s.y_row + unit] = after.h;
  if (Cell::kCellState) s.c[i] = after.c;
  if constexpr (kSaved > 0) {
    if (!s.gates) return;
    for (int g = 0; g < kSaved; ++g) s.gates[i * kSaved + g] = gates[g];
    if (Cell::kCellState) s.cells[i] = after.c;
  }
}

template <class Cell, class T>
void run_direction(const RnnForward& args, int d) {
  const RnnShape& s = args.shape;
  const int64_t gates = Cell::kGates * s.hidden, states = s.batch * s.hidden;
  const auto& w = args.weights[d];
  const auto of = [](const void* data) { return static_cast<const T*>(data); };
  const size_t bytes = static_cast<size_t>(states) * sizeof(T);
  T* h = static_cast<T*>(args.hn) + d * states;
  T* c = args.c0 ? static_cast<T*>(args.cn) + d * states : nullptr;
  const auto copy = [&](T* to, const void* from) {
    LAMINA_CUDA_CHECK(
        cudaMemcpyAsync(to, of(from) + d * states, bytes, cudaMemcpyDefault, stream()));
  };
  copy(h, args.h0);
  if (c) copy(c, args.c0);
  const DeviceScratch inputs(static_cast<size_t>(s.rows * gates) * sizeof(T));
  const DeviceScratch recurrent(static_cast<size_t>(s.batch * gates) * sizeof(T));
  rnn_product(inputs.as<T>(), s.rows, gates, s.inputs, RnnMatrix<T>{of(args.x), s.inputs},
              RnnMatrix<T>{of(w.w_ih), s.inputs}.transposed(), of(w.b_ih), 0);
  T* saved =
      args.saved ? static_cast<T*>(args.saved) + d * s.rows * rnn_saved_row<Cell>(s) : nullptr;
  for (int64_t nth = 0; nth < s.steps; ++nth) {
    const RnnStep step = rnn_step(s, d, nth);
    if (step.count == 0) continue;
    rnn_product(recurrent.as<T>(), step.count, gates, s.hidden, RnnMatrix<T>{h, s.hidden},
                RnnMatrix<T>{of(w.w_hh), s.hidden}.transposed(), of(w.b_hh), 0);
    const int64_t y_row = s.directions * s.hidden;
    ForwardStep<T> f{step.count,
                     s.hidden,
                     y_row,
                     inputs.as<T>() + step.first * gates,
                     recurrent.as<T>(),
                     h,
                     c,
                     static_cast<T*>(args.y) + step.first * y_row + d * s.hidden,
                     nullptr,
                     nullptr};
    if (saved) {
      f.gates = saved + step.first * s.hidden * Cell::kSaved;
      f.cells = saved + s.rows * s.hidden * Cell::kSaved + step.first * s.hidden;
    }
    launch(&forward_kernel<Cell, T>, blocks_for(step.count * s.hidden, kRnnThreads), kRnnThreads, 0,
           stream(), f);
  }
}

int64_t saved_size(const RnnShape& s) {
  int64_t size = 0;
  with_rnn_cell(
      s, [&](auto cell, auto) { size = s.directions * s.rows * rnn_saved_row<decltype(cell)>(s); });
  return size;
}

void forward(const RnnForward& args) {
  with_rnn_cell(args.shape, [&](auto cell, auto element) {
    for (int d = 0; d < args.shape.directions; ++d)
      run_direction<decltype(cell), decltype(element)>(args, d);
  });
}

}  // namespace

LAMINA_CUDA_KERNELS(Rnn, rnn){&saved_size, &forward, &rnn_backward};

}  // namespace lamina::cuda

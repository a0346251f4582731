// A recurrent layer backward through time.
//
// From the last step that forward took to the first: the cells turn the derivatives by a step's
// states into those by its gates, and a product of these with W_hh sends them to the states before:
// all in one launch where W_hh fits on the chip (rnn_persistent_backward.cu), or step by step, as
// here.  The gradients of all weights are products over all rows, after the last step.  Bound as
// forward is.  Compiled and emulated, not yet run on a device.
#include "core/cuda.h"
#include "cuda/rnn.h"
#include "cuda/scratch.h"

namespace lamina::cuda {
namespace {

using kernels::RnnBackward;
using kernels::RnnShape;

template <class Cell, class T>
__global__ void __launch_bounds__(kRnnThreads)
    backward_kernel(const BackwardUnits<T> units, const RnnStep step) {
  const int64_t i = int64_t{blockIdx.x} * kRnnThreads + threadIdx.x;
  if (i >= step.count * units.hidden) return;
  const int64_t sequence = i / units.hidden;
  backward_unit<Cell>(units, step, sequence, i - sequence * units.hidden, units.dh[i]);
}

template <class T>
__global__ void __launch_bounds__(kRnnThreads) fill_kernel(T* to, int64_t n, T value) {
  const int64_t i = int64_t{blockIdx.x} * kRnnThreads + threadIdx.x;
  if (i < n) to[i] = value;
}

// A state's gradient; zero where there is none.
template <class T>
void begin_gradient(void* to, const void* given, int64_t n) {
  const size_t bytes = static_cast<size_t>(n) * sizeof(T);
  if (given)
    LAMINA_CUDA_CHECK(cudaMemcpyAsync(to, given, bytes, cudaMemcpyDefault, stream()));
  else
    LAMINA_CUDA_CHECK(cudaMemsetAsync(to, 0, bytes, stream()));
}

// Of one direction, from the gradients by all gates.
template <class T>
void weight_gradients(const RnnBackward& args, int d, int64_t gates, const T* input, const T* state,
                      const T* before) {
  const RnnShape& s = args.shape;
  const auto& g = args.gradients[d];
  const RnnMatrix<T> by_input{input, gates}, by_state{state, gates};
  if (g.w_ih)
    rnn_product(static_cast<T*>(g.w_ih), gates, s.inputs, s.rows, by_input.transposed(),
                RnnMatrix<T>{static_cast<const T*>(args.x), s.inputs},
                static_cast<const T*>(nullptr), 0);
  if (g.w_hh)
    rnn_product(static_cast<T*>(g.w_hh), gates, s.hidden, s.rows, by_state.transposed(),
                RnnMatrix<T>{before, s.hidden}, static_cast<const T*>(nullptr), 0);
  if (g.b_ih) {
    const DeviceScratch ones(static_cast<size_t>(s.rows) * sizeof(T));
    launch(&fill_kernel<T>, blocks_for(s.rows, kRnnThreads), kRnnThreads, 0, stream(), ones.as<T>(),
           s.rows, T(1));
    const RnnMatrix<T> row{ones.as<T>(), s.rows};
    rnn_product(static_cast<T*>(g.b_ih), 1, gates, s.rows, row, by_input,
                static_cast<const T*>(nullptr), 0);
    rnn_product(static_cast<T*>(g.b_hh), 1, gates, s.rows, row, by_state,
                static_cast<const T*>(nullptr), 0);
  }
  if (!args.dx) return;
  T* dx = static_cast<T*>(args.dx);
  rnn_product(dx, s.rows, s.inputs, gates, by_input,
              RnnMatrix<T>{static_cast<const T*>(args.weights[d].w_ih), s.inputs},
              d > 0 ? dx : nullptr, s.inputs);
}

template <class Cell, class T>
void run_steps(const RnnBackward& args, const RnnGates<T>& memory, int d) {
  const RnnShape& s = args.shape;
  const int64_t gates = Cell::kGates * s.hidden;
  const BackwardUnits<T> units = backward_units<Cell>(args, memory, d);
  for (int64_t nth = s.steps - 1; nth >= 0; --nth) {
    const RnnStep step = rnn_steps(s, d).step(nth);
    if (step.count == 0) continue;
    launch(&backward_kernel<Cell, T>, blocks_for(step.count * s.hidden, kRnnThreads), kRnnThreads,
           0, stream(), units, step);
    rnn_product(units.dh, step.count, s.hidden, gates,
                RnnMatrix<T>{units.state + step.first * gates, gates},
                RnnMatrix<T>{static_cast<const T*>(args.weights[d].w_hh), s.hidden},
                static_cast<const T*>(units.dh), s.hidden);
  }
}

template <class Cell, class T>
void run(const RnnBackward& args) {
  const RnnShape& s = args.shape;
  const int64_t gates = Cell::kGates * s.hidden, rows = s.directions * s.rows;
  const int64_t states = s.directions * s.batch * s.hidden;
  begin_gradient<T>(args.dh0, args.dhn, states);
  if (Cell::kCellState) begin_gradient<T>(args.dc0, args.dcn, states);
  const auto bytes = [](int64_t n) { return static_cast<size_t>(n) * sizeof(T); };
  const DeviceScratch by_input(bytes(rows * gates)), before(bytes(rows * s.hidden));
  const DeviceScratch by_state(Cell::kCandidate ? bytes(rows * gates) : 0);
  const RnnGates<T> memory{by_input.as<T>(), Cell::kCandidate ? by_state.as<T>() : by_input.as<T>(),
                           before.as<T>()};
  const bool done = rnn_persistent_backward(args, memory.input, memory.state, memory.before);
  for (int d = 0; d < s.directions; ++d) {
    if (!done) run_steps<Cell>(args, memory, d);
    const BackwardUnits<T> units = backward_units<Cell>(args, memory, d);
    weight_gradients<T>(args, d, gates, units.input, units.state, units.before);
  }
}

}  // namespace

void rnn_backward(const RnnBackward& args) {
  with_rnn_cell(args.shape,
                [&](auto cell, auto element) { run<decltype(cell), decltype(element)>(args); });
}

}  // namespace lamina::cuda

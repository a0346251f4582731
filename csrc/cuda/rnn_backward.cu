// A recurrent layer backward through time.
//
// From the last step that forward took to the first: the cells turn the derivatives by a step's states
// into those by its gates, and a product of these with W_hh sends them to the states before.  The
// gradients of all weights are products over all rows, after the last step.  Bound as forward is.
#include "core/cuda.h"
#include "cuda/rnn.h"
#include "cuda/scratch.h"

namespace lamina::cuda {
namespace {

using kernels::RnnBackward;
using kernels::RnnShape;

template <class T>
struct BackwardStep {
  int64_t hidden, y_row;      // y_row: from row to row of y and dy
  RnnStep rows;               // of the step, and of the one before
  const T *h0, *c0, *y, *dy;  // this direction's; dy may be null
  const T *gates, *cells;     // what forward saved, of all rows
  T *dh, *dc;                 // (N, H): by the states after the step, then before it
  T *input, *state;           // (rows, G H): by the gates; one and the same but for a GRU
  T* before;                  // (rows, H): h before each step
};

template <class Cell, class T>
__global__ void __launch_bounds__(kRnnThreads) backward_kernel(const BackwardStep<T> s) {
  constexpr int kGates = Cell::kGates, kSaved = Cell::kSaved;
  const int64_t i = int64_t{blockIdx.x} * kRnnThreads + threadIdx.x;
  if (i >= s.rows.count * s.hidden) return;
  const int64_t sequence = i / s.hidden, unit = i - sequence * s.hidden;
  const int64_t row = s.rows.first + sequence, at = row * s.hidden + unit;
  const int64_t earlier = s.rows.before + sequence;
  const bool begun = sequence < s.rows.begun;
  RnnStates<T> before{begun ? s.y[earlier * s.y_row + unit] : s.h0[i], T(0)};
  RnnStates<T> after{s.y[row * s.y_row + unit], T(0)};
  RnnStates<T> d{s.dh[i] + (s.dy ? s.dy[row * s.y_row + unit] : T(0)), T(0)};
  if (Cell::kCellState) {
    before.c = begun ? s.cells[earlier * s.hidden + unit] : s.c0[i];
    after.c = s.cells[at];
    d.c = s.dc[i];
  }
  T gates[kSaved > 0 ? kSaved : 1], input[kGates], state[kGates];
  if constexpr (kSaved > 0)
    for (int g = 0; g < kSaved; ++g) gates[g] = s.gates[at * kSaved + g];
  d = Cell::backward(gates, before, after, d, input, state);
  for (int g = 0; g < kGates; ++g) {
    const int64_t to = (row * kGates + g) * s.hidden + unit;
    s.input[to] = input[g];
    if (Cell::kCandidate) s.state[to] = state[g];
  }
  s.before[at] = before.h;
  s.dh[i] = d.h;
  if (Cell::kCellState) s.dc[i] = d.c;
}

template <class T>
__global__ void __launch_bounds__(kRnnThreads) fill_kernel(T* to, int64_t n, T value) {
  const int64_t i = int64_t{blockIdx.x} * kRnnThreads + threadIdx.x;
  if (i < n) to[i] = value;
}

// The direction's part of a state's gradient; zero where there is none.
template <class T>
void begin_gradient(T* to, const void* given, int64_t offset, int64_t n) {
  const size_t bytes = static_cast<size_t>(n) * sizeof(T);
  if (given)
    LAMINA_CUDA_CHECK(cudaMemcpyAsync(to, static_cast<const T*>(given) + offset, bytes,
                                      cudaMemcpyDefault, stream()));
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
void run_direction(const RnnBackward& args, int d) {
  const RnnShape& s = args.shape;
  const int64_t gates = Cell::kGates * s.hidden, states = s.batch * s.hidden;
  const auto bytes = [](int64_t n) { return static_cast<size_t>(n) * sizeof(T); };
  const auto of = [](const void* data) { return static_cast<const T*>(data); };
  T* dh = static_cast<T*>(args.dh0) + d * states;
  T* dc = Cell::kCellState ? static_cast<T*>(args.dc0) + d * states : nullptr;
  begin_gradient(dh, args.dhn, d * states, states);
  if (dc) begin_gradient(dc, args.dcn, d * states, states);
  const DeviceScratch by_input(bytes(s.rows * gates)), before(bytes(s.rows * s.hidden));
  const DeviceScratch by_state(Cell::kCandidate ? bytes(s.rows * gates) : 0);
  T* input = by_input.as<T>();
  T* state = Cell::kCandidate ? by_state.as<T>() : input;
  const T* saved =
      Cell::kSaved > 0 ? of(args.saved) + d * s.rows * rnn_saved_row<Cell>(s) : nullptr;
  BackwardStep<T> b{};
  b.hidden = s.hidden;
  b.y_row = s.directions * s.hidden;
  b.h0 = of(args.h0) + d * states;
  b.c0 = Cell::kCellState ? of(args.c0) + d * states : nullptr;
  b.y = of(args.y) + d * s.hidden;
  b.dy = args.dy ? of(args.dy) + d * s.hidden : nullptr;
  b.gates = saved;
  b.cells = Cell::kCellState ? saved + s.rows * s.hidden * Cell::kSaved : nullptr;
  b.dh = dh;
  b.dc = dc;
  b.input = input;
  b.state = state;
  b.before = before.as<T>();
  for (int64_t nth = s.steps - 1; nth >= 0; --nth) {
    b.rows = rnn_step(s, d, nth);
    if (b.rows.count == 0) continue;
    launch(&backward_kernel<Cell, T>, blocks_for(b.rows.count * s.hidden, kRnnThreads), kRnnThreads,
           0, stream(), b);
    rnn_product(
        dh, b.rows.count, s.hidden, gates, RnnMatrix<T>{state + b.rows.first * gates, gates},
        RnnMatrix<T>{of(args.weights[d].w_hh), s.hidden}, static_cast<const T*>(dh), s.hidden);
  }
  weight_gradients<T>(args, d, gates, input, state, before.as<T>());
}

}  // namespace

void rnn_backward(const RnnBackward& args) {
  with_rnn_cell(args.shape, [&](auto cell, auto element) {
    for (int d = 0; d < args.shape.directions; ++d)
      run_direction<decltype(cell), decltype(element)>(args, d);
  });
}

}  // namespace lamina::cuda

// What backward sums over all steps, from the gradients of a block's gates: dW_ih += dgates' x, dW_hh += dgates' h and the
// biases', and per row dx = dgates W_ih.  The groups' order of gates ends here.
#pragma once

#include "cpu/gemm.h"
#include "cpu/rnn_plan.h"
#include "kernels/rnn.h"

namespace lamina::cpu::LAMINA_ISA {

// The gradients of some steps' gates, rows of gradient_row, and what they are multiplied with.
template <class T>
struct RnnBlockGradients {
  int64_t first, rows;               // of the whole sequence's rows
  const T *from_input, *from_state;  // as CellGradient has them
  const T* before;                   // (rows, units): h before each step
  bool more;                         // there were blocks before
};

// Gates' gradients as the left side of a product over rows.  A panel takes whole vectors of each row, also beyond its
// lines: the rows are a vector longer than the gates.
template <class T>
struct GateColumns : Strided<T> {
  template <int Width>
  void pack(T* panel, int64_t line, int /*lines*/, int64_t depth, int64_t depths) const {
    constexpr int L = kLanes<T>;
    const T* source = this->at(line, depth);
    for (int64_t p = 0; p < depths; ++p, source += this->depth_stride, panel += Width)
#pragma GCC unroll 4
      for (int v = 0; v < Width; v += L) store(panel + v, load(source + v));
  }
};

// Of one direction.
template <class T, class Cell>
class RnnGradientSums {
  using Layout = RnnLayout<T, Cell>;
  static constexpr int L = Layout::L;

 public:
  void carve(Carver<T>& carver, const kernels::RnnBackward& args, const Layout& layout, int d) {
    args_ = &args;
    layout_ = &layout;
    direction_ = d;
    const int64_t inputs = args.shape.inputs, gates = layout.gates;
    input_panels_ = carver.take(args.dx ? layout.back_packed_size(inputs) : 0);
    dw_ih_ = carver.take(wanted().w_ih ? gates * inputs : 0);
    dw_hh_ = carver.take(wanted().w_hh ? gates * layout.hidden : 0);
    db_ih_ = carver.take(wanted().b_ih ? gates : 0);
    db_hh_ = carver.take(wanted().b_ih ? gates : 0);
  }

  void prepare() const {
    if (args_->dx)
      pack_columns_of_gates(*layout_, static_cast<const T*>(args_->weights[direction_].w_ih),
                            args_->shape.inputs, input_panels_);
    if (!wanted().b_ih) return;
    clear_row(db_ih_, layout_->gates);
    clear_row(db_hh_, layout_->gates);
  }

  void add(const RnnBlockGradients<T>& b) const {
    const int64_t inputs = args_->shape.inputs, hidden = layout_->hidden, gates = layout_->gates;
    const int64_t stride = layout_->gradient_row;
    const T* x = static_cast<const T*>(args_->x) + b.first * inputs;
    if (wanted().w_ih)
      gemm<T>(gates, inputs, b.rows, GateColumns<T>{{b.from_input, 1, stride}},
              Strided<T>{x, 1, inputs},
              Result<T>{dw_ih_, inputs, b.more ? dw_ih_ : nullptr, inputs, 1});
    if (wanted().w_hh)
      gemm<T>(gates, hidden, b.rows, GateColumns<T>{{b.from_state, 1, stride}},
              Strided<T>{b.before, 1, layout_->units},
              Result<T>{dw_hh_, hidden, b.more ? dw_hh_ : nullptr, hidden, 1});
    if (wanted().b_ih) {
      add_rows(b.from_input, b.rows, db_ih_);
      if (Cell::kCandidate) add_rows(b.from_state, b.rows, db_hh_);
    }
    if (args_->dx) {
      T* dx = static_cast<T*>(args_->dx) + b.first * inputs;  // of two directions: zero at first
      gemm<T>(b.rows, inputs, gates, Strided<T>{b.from_input, stride, 1},
              PackedColumns<T>{input_panels_, gates},
              Result<T>{dx, inputs, args_->shape.directions == 2 ? dx : nullptr, inputs, 1});
    }
  }

  void finish() const {
    const kernels::RnnGradients& g = wanted();
    if (g.w_ih) ungroup_weights(*layout_, dw_ih_, args_->shape.inputs, static_cast<T*>(g.w_ih));
    if (g.w_hh) ungroup_weights(*layout_, dw_hh_, layout_->hidden, static_cast<T*>(g.w_hh));
    if (!g.b_ih) return;
    ungroup_weights(*layout_, db_ih_, 1, static_cast<T*>(g.b_ih));
    ungroup_weights(*layout_, Cell::kCandidate ? db_hh_ : db_ih_, 1, static_cast<T*>(g.b_hh));
  }

 private:
  const kernels::RnnGradients& wanted() const { return args_->gradients[direction_]; }

  // sums (gates) += the sum of the rows, top to bottom.
  void add_rows(const T* gradient, int64_t rows, T* sums) const {
    constexpr int kVectors = 8, kColumns = kVectors * L;
    const int64_t panels = ceil_div(layout_->gates, kColumns), stride = layout_->gradient_row;
    const int64_t bytes = rows * kColumns * int64_t{sizeof(T)};
    parallel_for(
        panels, task_items(panels, bytes, kPackTaskBytes), [&](int64_t begin, int64_t end) {
          for (int64_t p = begin; p < end; ++p) {
            const int64_t first = p * kColumns;
            const int vectors = static_cast<int>(smaller(kVectors, (layout_->gates - first) / L));
            Vec<T> sum[kVectors];
            for (int v = 0; v < vectors; ++v) sum[v] = load(sums + first + v * L);
            for (int64_t r = 0; r < rows; ++r)
              for (int v = 0; v < vectors; ++v)
                sum[v] += load(gradient + r * stride + first + v * L);
            for (int v = 0; v < vectors; ++v) store(sums + first + v * L, sum[v]);
          }
        });
  }

  const kernels::RnnBackward* args_;
  const Layout* layout_;
  int direction_;
  T *input_panels_, *dw_ih_, *dw_hh_, *db_ih_, *db_hh_;
};

}  // namespace lamina::cpu::LAMINA_ISA

// Recurrent layers over whole sequences: rnn_forward.h and rnn_backward.h, one instance a cell and dtype.
#include "kernels/rnn.h"

#include "cpu/rnn_backward.h"
#include "cpu/rnn_forward.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::RnnCell;
using kernels::RnnShape;

// f(T{}, cell)
template <class F>
auto visit_cell(const RnnShape& shape, const F& f) {
  return visit_real(shape.dtype, [&](auto tag) {
    switch (shape.cell) {
      case RnnCell::lstm:
        return f(tag, LstmCell{});
      case RnnCell::gru:
        return f(tag, GruCell{});
      default:
        return f(tag, ElmanCell{shape.cell == RnnCell::relu});
    }
  });
}

int64_t saved_size(const RnnShape& shape) {
  return visit_cell(shape, [&](auto tag, auto cell) {
    return rnn_saved_size<decltype(tag), decltype(cell)>(shape);
  });
}

void forward(const kernels::RnnForward& args) {
  visit_cell(args.shape, [&](auto tag, auto cell) {
    RnnForwardPass<decltype(tag), decltype(cell)>(args, cell).run();
  });
}

void backward(const kernels::RnnBackward& args) {
  visit_cell(args.shape, [&](auto tag, auto cell) {
    RnnBackwardPass<decltype(tag), decltype(cell)>(args, cell).run();
  });
}

}  // namespace

LAMINA_CPU_KERNELS(Rnn, rnn){&saved_size, &forward, &backward};

}  // namespace lamina::cpu::LAMINA_ISA

#include "ops/optimizer.h"

#include "kernels/registry.h"
#include "ops/elementwise.h"

namespace lamina::ops {
namespace {

using kernels::Optimizer;
using kernels::OptimizerTensor;

bool same_order(const Array& a, const Array& b) {
  for (int d = 0; d < a.rank(); ++d)
    if (a.size(d) > 1 && a.strides()[d] != b.strides()[d]) return false;
  return true;
}

// The tensors of one step; gradients of another memory order or dtype are copied into `held`.
std::vector<OptimizerTensor> gather(const char* op, const Arrays& params, const Arrays& grads,
                                    std::initializer_list<const Arrays*> states, Arrays& held) {
  check(params.size() == grads.size(), "[", op, "] expected a gradient a parameter, got ",
        grads.size(), " for ", params.size());
  std::vector<OptimizerTensor> tensors;
  held.reserve(params.size());
  for (size_t i = 0; i < params.size(); ++i) {
    const Array& p = params[i];
    check(p.shape() == grads[i].shape(), "[", op, "] parameter ", i, " has shape ", p.shape(),
          ", but its gradient has ", grads[i].shape());
    check<TypeError>(p.dtype() == params[0].dtype() &&
                         (p.dtype() == DType::float32 || p.dtype() == DType::float64),
                     "[", op, "] expected parameters of one dtype, float32 or float64, got ",
                     name(p.dtype()));
    check(p.device() == grads[i].device(), "[", op, "] parameter ", i, " is on ", name(p.device()),
          ", but its gradient on ", name(grads[i].device()));
    check<RuntimeError>(p.is_dense(), "[", op, "] parameter ", i,
                        " has gaps in memory; clone() it first");
    begin_write(p, op);
    const Array* grad = &grads[i];
    if (!same_order(p, *grad) || grad->dtype() != p.dtype()) {
      held.push_back(Array::empty_like(p, p.dtype()));
      copy_to(held.back(), *grad);
      grad = &held.back();
    }
    OptimizerTensor t{p.raw(), grad->raw(), {}, p.numel(), 0, false};
    int slot = 0;
    for (const Arrays* state : states) {
      if (!state->empty()) {
        check(state->size() == params.size() && (*state)[i].shape() == p.shape() &&
                  (*state)[i].dtype() == p.dtype() && (*state)[i].device() == p.device() &&
                  same_order((*state)[i], p),
              "[", op, "] the state of parameter ", i, " does not fit it");
        t.state[slot] = (*state)[i].raw();
      }
      ++slot;
    }
    tensors.push_back(t);
  }
  return tensors;
}

}  // namespace

void sgd_step(const Arrays& params, const Arrays& grads, const Arrays& momentum_buffers,
              const std::vector<bool>& first, const kernels::SgdParams& options) {
  if (params.empty()) return;
  Arrays held;
  auto tensors = gather("sgd", params, grads, {&momentum_buffers}, held);
  check(options.momentum == 0 || first.size() == params.size(),
        "[sgd] expected one flag a parameter");
  if (options.momentum != 0)
    for (size_t i = 0; i < tensors.size(); ++i) tensors[i].first = first[i];
  kernels::on<Optimizer>(params[0].device())
      .sgd(params[0].dtype(), tensors.data(), static_cast<int64_t>(tensors.size()), options);
}

void adam_step(const Arrays& params, const Arrays& grads, const Arrays& means,
               const Arrays& squares, const Arrays& maxima, const std::vector<double>& steps,
               const kernels::AdamParams& options) {
  if (params.empty()) return;
  check(means.size() == params.size() && squares.size() == params.size() &&
            steps.size() == params.size() && (!options.amsgrad || maxima.size() == params.size()),
        "[adam] expected state for every parameter");
  Arrays held;
  auto tensors = gather("adam", params, grads, {&means, &squares, &maxima}, held);
  for (size_t i = 0; i < tensors.size(); ++i) tensors[i].step = steps[i];
  kernels::on<Optimizer>(params[0].device())
      .adam(params[0].dtype(), tensors.data(), static_cast<int64_t>(tensors.size()), options);
}

}  // namespace lamina::ops

#include "ops/optimizer.h"

#include "core/tape.h"
#include "kernels/recorded.h"
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

void check_parameter(const char* op, size_t i, const Array& p, const Array& grad, DType dtype) {
  check(p.shape() == grad.shape(), "[", op, "] parameter ", i, " has shape ", p.shape(),
        ", but its gradient has ", grad.shape());
  check<TypeError>(p.dtype() == dtype && (dtype == DType::float32 || dtype == DType::float64), "[",
                   op, "] expected parameters of one dtype, float32 or float64, got ",
                   name(p.dtype()));
  check(p.device() == grad.device(), "[", op, "] parameter ", i, " is on ", name(p.device()),
        ", but its gradient on ", name(grad.device()));
  check<RuntimeError>(p.is_dense(), "[", op, "] parameter ", i,
                      " has gaps in memory; clone() it first");
}

void check_scale(const char* op, const Array& scale, const Array& like) {
  check(scale.numel() == 1 && scale.dtype() == like.dtype() && scale.device() == like.device(), "[",
        op, "] expected a scale of one element of ", name(like.dtype()), " on ",
        name(like.device()), ", got shape ", scale.shape(), ", ", name(scale.dtype()), " on ",
        name(scale.device()));
}

// The tensors of one step; gradients of another memory order or dtype are copied into `held`.
// needed: bit k says that the rule uses state k.
std::vector<OptimizerTensor> gather(const char* op, const OptimizerStep& step, unsigned needed,
                                    bool factors, Arrays& held) {
  const size_t n = step.params.size();
  check(step.grads.size() == n, "[", op, "] expected a gradient a parameter, got ",
        step.grads.size(), " for ", n);
  check(step.steps.size() == n && (!factors || step.factors.size() == n), "[", op,
        "] expected a step count a parameter", factors ? ", and factors" : "");
  for (size_t k = 0; needed >> k; ++k)
    check(!(needed >> k & 1) || (k < step.states.size() && step.states[k].size() == n), "[", op,
          "] expected state ", k, " of every parameter");
  std::vector<OptimizerTensor> tensors;
  tensors.reserve(n);
  held.reserve(n);
  for (size_t i = 0; i < n; ++i) {
    const Array& p = step.params[i];
    check_parameter(op, i, p, step.grads[i], step.params[0].dtype());
    begin_write(p, op);
    const Array* grad = &step.grads[i];
    if (!same_order(p, *grad) || grad->dtype() != p.dtype()) {
      held.push_back(Array::empty_like(p, p.dtype()));
      copy_to(held.back(), *grad);
      grad = &held.back();
    }
    OptimizerTensor t{p.raw(), grad->raw(), {}, p.numel(), step.steps[i], {}};
    for (size_t k = 0; needed >> k; ++k) {
      if (!(needed >> k & 1)) continue;
      const Array& state = step.states[k][i];
      check(state.shape() == p.shape() && state.dtype() == p.dtype() && same_order(state, p) &&
                state.device() == p.device(),
            "[", op, "] the state of parameter ", i, " does not fit it");
      t.state[k] = state.raw();
    }
    if (factors) {
      t.factors[0] = step.factors[i].first;
      t.factors[1] = step.factors[i].second;
    }
    tensors.push_back(t);
  }
  return tensors;
}

template <class Params>
using Rule = void (*Optimizer::*)(DType, const OptimizerTensor*, int64_t, const kernels::Penalty&,
                                  const Params&);

// One call of a rule's kernel.  On a tape, each replay is the next step.
template <class Params>
struct Update final : Tape::Entry {
  Update(Rule<Params> rule, const Array& like, const kernels::Penalty& penalty,
         const Params& options, std::vector<OptimizerTensor> tensors)
      : rule(rule),
        device(like.device()),
        dtype(like.dtype()),
        penalty(penalty),
        options(options),
        tensors(std::move(tensors)) {}

  void call() const {
    (kernels::kernels_of<Optimizer>(device).*rule)(
        dtype, tensors.data(), static_cast<int64_t>(tensors.size()), penalty, options);
  }
  void run() override {
    for (OptimizerTensor& t : tensors) ++t.step;
    call();
  }

  Rule<Params> rule;
  Device device;
  DType dtype;
  kernels::Penalty penalty;
  Params options;
  std::vector<OptimizerTensor> tensors;
  Arrays kept;  // what `tensors` points into, where the tape does not keep it already
};

// Puts an update in the place of the one that the tape has.
template <class Params>
void amend(const char* op, Tape::Entry* entry, Update<Params> update, const OptimizerStep& step) {
  auto* recorded = dynamic_cast<Update<Params>*>(entry);
  check<RuntimeError>(recorded && recorded->rule == update.rule &&
                          recorded->tensors.size() == update.tensors.size(),
                      "[capture] ", op, ": expected the updates that were recorded");
  for (OptimizerTensor& t : update.tensors) --t.step;  // run() counts it
  update.penalty.scale = recorded->penalty.scale;      // what the tape computes before each update
  update.kept = step.params;
  update.kept.insert(update.kept.end(), step.grads.begin(), step.grads.end());
  for (const Arrays& states : step.states)
    update.kept.insert(update.kept.end(), states.begin(), states.end());
  *recorded = std::move(update);
}

template <class Params>
void run(const char* op, Rule<Params> rule, const OptimizerStep& step, const Params& options,
         unsigned needed, bool factors = false) {
  if (step.params.empty()) return;
  Arrays held;
  auto tensors = gather(op, step, needed, factors, held);
  if (step.scale) check_scale(op, *step.scale, step.params[0]);
  kernels::Penalty penalty = step.penalty;
  penalty.scale = step.scale ? step.scale->raw() : nullptr;
  Update<Params> update(rule, step.params[0], penalty, options, std::move(tensors));
  if (Amendment* amendment = Amendment::of_thread())
    return amend(op, amendment->next(), std::move(update), step);
  update.call();
  if (Tape* tape = recording())
    tape->add_update(std::make_unique<Update<Params>>(std::move(update)));
}

}  // namespace

void sgd_step(const OptimizerStep& step, const kernels::SgdParams& options) {
  run("sgd", &Optimizer::sgd, step, options, options.momentum != 0 ? 1u : 0u);
}

void adam_step(const OptimizerStep& step, const kernels::AdamParams& options) {
  run("adam", &Optimizer::adam, step, options, options.amsgrad ? 7u : 3u);
}

void adamax_step(const OptimizerStep& step, const kernels::AdamaxParams& options) {
  run("adamax", &Optimizer::adamax, step, options, 3u);
}

void nadam_step(const OptimizerStep& step, const kernels::NadamParams& options) {
  run("nadam", &Optimizer::nadam, step, options, 3u, true);
}

void radam_step(const OptimizerStep& step, const kernels::RadamParams& options) {
  run("radam", &Optimizer::radam, step, options, 3u);
}

void adagrad_step(const OptimizerStep& step, const kernels::AdagradParams& options) {
  run("adagrad", &Optimizer::adagrad, step, options, 1u);
}

void rmsprop_step(const OptimizerStep& step, const kernels::RmspropParams& options) {
  run("rmsprop", &Optimizer::rmsprop, step, options,
      1u | (options.momentum > 0 ? 2u : 0u) | (options.centered ? 4u : 0u));
}

void adadelta_step(const OptimizerStep& step, const kernels::AdadeltaParams& options) {
  run("adadelta", &Optimizer::adadelta, step, options, 3u);
}

void asgd_step(const OptimizerStep& step, const kernels::AsgdParams& options) {
  run("asgd", &Optimizer::asgd, step, options, 1u, true);
}

void rprop_step(const OptimizerStep& step, const kernels::RpropParams& options) {
  run("rprop", &Optimizer::rprop, step, options, 3u);
}

}  // namespace lamina::ops

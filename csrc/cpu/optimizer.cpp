// Fused optimizer steps: one pass over parameter, gradient and state of every tensor.
//
// Bound by bytes: SGD with momentum reads three and writes two values an element, Adam reads four
// and writes three; penalties ride along. All tensors are cut into pieces that threads take in any
// order; each element is computed alone, so the result does not depend on it.
#include "kernels/optimizer.h"

#include "cpu/optimizer_rule.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

namespace rules = optimizer_rules;
using kernels::OptimizerTensor;
using kernels::Penalty;
using rules::update;

// What a rule does without is known at compile time: tested for each element, it would keep the
// loop scalar.

void sgd(DType dtype, const OptimizerTensor* tensors, int64_t count, const Penalty& penalty,
         const kernels::SgdParams& s) {
  (s.momentum != 0 ? &update<rules::SgdMomentum, kernels::SgdParams>
                   : &update<rules::Sgd, kernels::SgdParams>)(dtype, tensors, count, penalty, s);
}

void adam(DType dtype, const OptimizerTensor* tensors, int64_t count, const Penalty& penalty,
          const kernels::AdamParams& s) {
  (s.amsgrad ? &update<rules::AmsGrad, kernels::AdamParams>
             : &update<rules::Adam, kernels::AdamParams>)(dtype, tensors, count, penalty, s);
}

void rmsprop(DType dtype, const OptimizerTensor* tensors, int64_t count, const Penalty& penalty,
             const kernels::RmspropParams& s) {
  using Params = kernels::RmspropParams;
  const bool momentum = s.momentum > 0;
  const auto run = s.centered ? momentum ? &update<rules::RmspropCenteredMomentum, Params>
                                         : &update<rules::RmspropCentered, Params>
                   : momentum ? &update<rules::RmspropMomentum, Params>
                              : &update<rules::Rmsprop, Params>;
  run(dtype, tensors, count, penalty, s);
}

}  // namespace

LAMINA_CPU_KERNELS(Optimizer, optimizer){&sgd,
                                         &adam,
                                         &update<rules::Adamax>,
                                         &update<rules::Nadam>,
                                         &update<rules::Radam>,
                                         &update<rules::Adagrad>,
                                         &rmsprop,
                                         &update<rules::Adadelta>,
                                         &update<rules::Asgd>,
                                         &update<rules::Rprop>};

}  // namespace lamina::cpu::LAMINA_ISA

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

// What a rule does without is known at compile time: tested for each element, it would keep the
// loop scalar.

void sgd(DType dtype, const OptimizerTensor* tensors, int64_t count, const Penalty& penalty,
         const kernels::SgdParams& s) {
  (s.momentum != 0 ? &update<SgdMomentum, kernels::SgdParams>
                   : &update<Sgd, kernels::SgdParams>)(dtype, tensors, count, penalty, s);
}

void adam(DType dtype, const OptimizerTensor* tensors, int64_t count, const Penalty& penalty,
          const kernels::AdamParams& s) {
  (s.amsgrad ? &update<AmsGrad, kernels::AdamParams>
             : &update<Adam, kernels::AdamParams>)(dtype, tensors, count, penalty, s);
}

void rmsprop(DType dtype, const OptimizerTensor* tensors, int64_t count, const Penalty& penalty,
             const kernels::RmspropParams& s) {
  using Params = kernels::RmspropParams;
  const bool momentum = s.momentum > 0;
  const auto run = s.centered ? momentum ? &update<RmspropCenteredMomentum, Params>
                                         : &update<RmspropCentered, Params>
                   : momentum ? &update<RmspropMomentum, Params>
                              : &update<Rmsprop, Params>;
  run(dtype, tensors, count, penalty, s);
}

}  // namespace

LAMINA_CPU_KERNELS(Optimizer, optimizer){&sgd,
                                         &adam,
                                         &update<Adamax>,
                                         &update<Nadam>,
                                         &update<Radam>,
                                         &update<Adagrad>,
                                         &rmsprop,
                                         &update<Adadelta>,
                                         &update<Asgd>,
                                         &update<Rprop>};

}  // namespace lamina::cpu::LAMINA_ISA

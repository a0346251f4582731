// Optimizer steps over lists of parameters, gradients and state.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "core/array.h"
#include "kernels/optimizer.h"

namespace lamina::ops {

using Arrays = std::vector<Array>;

struct OptimizerStep {
  const Arrays& params;
  const Arrays& grads;
  const std::vector<Arrays>& states;  // in the order of the contract; empty lists where it has null
  const std::vector<double>& steps;   // one a parameter, from 1; sgd: 1 where the buffer is new
  const std::vector<std::pair<double, double>>& factors;  // one a parameter for nadam and asgd
  kernels::Penalty penalty;                               // without its scale
  const std::optional<Array>& scale;                      // of the gradients
};

void sgd_step(const OptimizerStep& step, const kernels::SgdParams& options);
void adam_step(const OptimizerStep& step, const kernels::AdamParams& options);
void adamax_step(const OptimizerStep& step, const kernels::AdamaxParams& options);
void nadam_step(const OptimizerStep& step, const kernels::NadamParams& options);
void radam_step(const OptimizerStep& step, const kernels::RadamParams& options);
void adagrad_step(const OptimizerStep& step, const kernels::AdagradParams& options);
void rmsprop_step(const OptimizerStep& step, const kernels::RmspropParams& options);
void adadelta_step(const OptimizerStep& step, const kernels::AdadeltaParams& options);
void asgd_step(const OptimizerStep& step, const kernels::AsgdParams& options);
void rprop_step(const OptimizerStep& step, const kernels::RpropParams& options);

}  // namespace lamina::ops

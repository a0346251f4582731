#include "ops/optimizer.h"

#include "bindings/bindings.h"

namespace lamina::bindings {
namespace {

using ops::Arrays;

// name(params, grads, states, steps, factors, weight_decay, l1_decay, decoupled, maximize,
// scale of the gradients or None, the rule's options...)
template <class... Options, class Params>
void def_rule(py::module_& m, const char* name,
              void (*op)(const ops::OptimizerStep&, const Params&)) {
  def(m, name,
      [op](const Arrays& params, const Arrays& grads, const std::vector<Arrays>& states,
           const std::vector<double>& steps, const std::vector<std::pair<double, double>>& factors,
           double weight_decay, double l1_decay, bool decoupled, bool maximize,
           const std::optional<Array>& scale, Options... options) {
        op({params,
            grads,
            states,
            steps,
            factors,
            {weight_decay, l1_decay, decoupled, maximize, nullptr},
            scale},
           {options...});
      });
}

}  // namespace

void bind_optimizer(py::module_& m) {
  // lr, momentum, dampening, nesterov
  def_rule<double, double, double, bool>(m, "sgd_step", &ops::sgd_step);
  // lr, beta1, beta2, eps, amsgrad
  def_rule<double, double, double, double, bool>(m, "adam_step", &ops::adam_step);
  // lr, beta1, beta2, eps
  def_rule<double, double, double, double>(m, "adamax_step", &ops::adamax_step);
  def_rule<double, double, double, double>(m, "nadam_step", &ops::nadam_step);
  def_rule<double, double, double, double>(m, "radam_step", &ops::radam_step);
  // lr, lr_decay, eps
  def_rule<double, double, double>(m, "adagrad_step", &ops::adagrad_step);
  // lr, alpha, eps, momentum, centered
  def_rule<double, double, double, double, bool>(m, "rmsprop_step", &ops::rmsprop_step);
  // lr, rho, eps
  def_rule<double, double, double>(m, "adadelta_step", &ops::adadelta_step);
  // lr, lambd
  def_rule<double, double>(m, "asgd_step", &ops::asgd_step);
  // shrink, grow, smallest, largest
  def_rule<double, double, double, double>(m, "rprop_step", &ops::rprop_step);
}

}  // namespace lamina::bindings

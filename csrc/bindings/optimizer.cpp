#include "ops/optimizer.h"

#include "bindings/bindings.h"

namespace lamina::bindings {

using ops::Arrays;

void bind_optimizer(py::module_& m) {
  def(m, "sgd_step",
      [](const Arrays& params, const Arrays& grads, const Arrays& buffers,
         const std::vector<bool>& first, double lr, double momentum, double dampening,
         double weight_decay, bool nesterov, bool maximize) {
        ops::sgd_step(params, grads, buffers, first,
                      {lr, momentum, dampening, weight_decay, nesterov, maximize});
      });
  def(m, "adam_step",
      [](const Arrays& params, const Arrays& grads, const Arrays& means, const Arrays& squares,
         const Arrays& maxima, const std::vector<double>& steps, double lr, double beta1,
         double beta2, double eps, double weight_decay, bool decoupled, bool amsgrad,
         bool maximize) {
        ops::adam_step(params, grads, means, squares, maxima, steps,
                       {lr, beta1, beta2, eps, weight_decay, decoupled, amsgrad, maximize});
      });
}

}  // namespace lamina::bindings

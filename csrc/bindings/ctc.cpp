#include "ops/ctc.h"

#include "bindings/bindings.h"

namespace lamina::bindings {

using Lengths = std::vector<int64_t>;

void bind_ctc(py::module_& m) {
  def(m, "ctc_loss",
      [](const Array& log_probs, const Array& targets, const Lengths& input_lengths,
         const Lengths& target_lengths, int64_t blank) {
        auto r = ops::ctc_loss({log_probs, targets, input_lengths, target_lengths, blank});
        return std::tuple(r.losses, r.log_alpha);
      });
  def(m, "ctc_loss_backward",
      [](const Array& log_probs, const Array& targets, const Lengths& input_lengths,
         const Lengths& target_lengths, int64_t blank, const Array& losses, const Array& log_alpha,
         const Array& grad, bool zero_infinity) {
        return ops::ctc_loss_backward({log_probs, targets, input_lengths, target_lengths, blank},
                                      {losses, log_alpha}, grad, zero_infinity);
      });
}

}  // namespace lamina::bindings

#include "ops/cross_entropy.h"

#include "bindings/bindings.h"

namespace lamina::bindings {
namespace {

ops::CrossEntropyOptions options(int64_t ignore_index, double label_smoothing, bool log_softmax,
                                 int reduction) {
  return {ignore_index, label_smoothing, log_softmax, static_cast<ops::Reduction>(reduction)};
}

}  // namespace

void bind_cross_entropy(py::module_& m) {
  def(m, "cross_entropy",
      [](const Array& scores, const Array& targets, const std::optional<Array>& weight,
         int64_t ignore_index, double label_smoothing, bool log_softmax, int reduction) {
        auto r = ops::cross_entropy(scores, targets, weight,
                                    options(ignore_index, label_smoothing, log_softmax, reduction));
        return std::tuple(r.loss, r.log_sums, r.divisor);
      });
  def(m, "cross_entropy_backward",
      [](const Array& scores, const Array& targets, const std::optional<Array>& weight,
         const Array& log_sums, const Array& divisor, const Array& grad, int64_t ignore_index,
         double label_smoothing, bool log_softmax, int reduction) {
        return ops::cross_entropy_backward(
            scores, targets, weight, {grad, log_sums, divisor}, grad,
            options(ignore_index, label_smoothing, log_softmax, reduction));
      });
}

}  // namespace lamina::bindings

#include "ops/cross_entropy.h"

#include "core/tape.h"
#include "kernels/cross_entropy.h"
#include "kernels/registry.h"
#include "ops/channel_layout.h"
#include "ops/elementwise.h"
#include "ops/one_device.h"
#include "ops/shape.h"

namespace lamina::ops {
namespace {

using kernels::CrossEntropyParams;

// Arguments in the kernel's order of memory.
struct Prepared {
  Array scores, targets;
  std::optional<Array> weight;
  CrossEntropyParams params;
};

// On the CPU; a CUDA kernel records a bad target itself.
void check_targets(const char* op, const Array& targets, int64_t classes, int64_t ignore_index) {
  const int64_t* t = targets.data<int64_t>();
  for (int64_t i = 0, n = targets.numel(); i < n; ++i)
    check<IndexError>((t[i] >= 0 && t[i] < classes) || t[i] == ignore_index, "[", op,
                      "] expected targets from 0 to ", classes - 1, ", got ", t[i], " at position ",
                      i);
}

Prepared prepare(const Array& scores, const Array& targets, const std::optional<Array>& weight,
                 const CrossEntropyOptions& o) {
  const char* op = o.log_softmax ? "cross_entropy" : "nll_loss";
  check<TypeError>(scores.dtype() == DType::float32 || scores.dtype() == DType::float64, "[", op,
                   "] expected float32 or float64 scores, got ", name(scores.dtype()));
  check<TypeError>(targets.dtype() == DType::int64 || targets.dtype() == DType::uint8 ||
                       targets.dtype() == DType::int32,
                   "[", op, "] expected integer targets, got ", name(targets.dtype()));
  check_one_device(op, {&scores, &targets, weight ? &*weight : nullptr});
  check(scores.rank() >= 1, "[", op, "] expected scores of at least 1 dimension, got a 0-d array");
  const int class_dim = scores.rank() == 1 ? 0 : 1;
  Dims expected = scores.shape();
  expected.erase(class_dim);
  check(targets.shape() == expected, "[", op, "] expected targets of shape ", expected,
        " for scores of shape ", scores.shape(), ", got ", targets.shape());
  const int64_t classes = scores.size(class_dim);
  if (weight)
    check(weight->shape() == Dims{classes} && weight->dtype() == scores.dtype(), "[", op,
          "] expected ", classes, " weights of ", name(scores.dtype()), ", got shape ",
          weight->shape(), " of ", name(weight->dtype()));
  check(o.label_smoothing >= 0 && o.label_smoothing <= 1, "[", op,
        "] expected label_smoothing from 0 to 1, got ", o.label_smoothing);

  const bool rows = !scores.is_contiguous() && scores.is_channels_last();
  Prepared p{rows ? scores : contiguous(scores),
             contiguous(cast(targets, DType::int64)),
             weight ? std::optional(contiguous(*weight)) : std::nullopt,
             {1, classes, 1, o.ignore_index, o.label_smoothing, o.log_softmax}};
  const int64_t n = targets.numel();
  if (rows || class_dim == 0) {
    p.params.outer = n;
  } else {
    p.params.outer = scores.size(0);
    p.params.inner = scores.size(0) ? n / scores.size(0) : 1;
  }
  if (p.targets.device().type == DeviceType::cpu)
    check_values([op, targets = p.targets, classes, ignored = o.ignore_index] {
      check_targets(op, targets, classes, ignored);
    });
  return p;
}

}  // namespace

CrossEntropyResult cross_entropy(const Array& scores, const Array& targets,
                                 const std::optional<Array>& weight, const CrossEntropyOptions& o) {
  const Prepared p = prepare(scores, targets, weight, o);
  const DType dtype = scores.dtype();
  const Array losses = Array::empty(targets.shape(), dtype, scores.device());
  const Array log_sums =
      Array::empty(o.log_softmax ? targets.shape() : Dims{}, dtype, scores.device());
  const Array used = Array::empty(targets.shape(), dtype, scores.device());
  if (losses.numel())
    kernels::on<kernels::CrossEntropy>(scores.device())
        .forward(dtype, p.params, p.scores.raw(), p.targets.data<int64_t>(), raw_or_null(p.weight),
                 losses.raw(), log_sums.raw(), used.raw());
  const Array divisor = Array::empty({}, dtype, scores.device());
  if (o.reduction == Reduction::none) {
    fill(divisor, Scalar::of(1.0));
    return {losses, log_sums, divisor};
  }
  const Array loss = Array::empty({}, dtype, scores.device());
  kernels::on<kernels::CrossEntropy>(scores.device())
      .total(dtype, losses.numel(), o.reduction == Reduction::mean, losses.raw(), used.raw(),
             loss.raw(), divisor.raw());
  return {loss, log_sums, divisor};
}

Array cross_entropy_backward(const Array& scores, const Array& targets,
                             const std::optional<Array>& weight, const CrossEntropyResult& saved,
                             const Array& grad, const CrossEntropyOptions& o) {
  const Prepared p = prepare(scores, targets, weight, o);
  const Array scaled = binary(kernels::Binary::divide, {&grad}, {&saved.divisor});
  const Array dlosses = contiguous(expand(scaled, targets.shape()));
  const Array dscores = Array::empty_like(p.scores, scores.dtype());
  if (dscores.numel())
    kernels::on<kernels::CrossEntropy>(scores.device())
        .backward(scores.dtype(), p.params, p.scores.raw(), p.targets.data<int64_t>(),
                  raw_or_null(p.weight), saved.log_sums.raw(), dlosses.raw(), dscores.raw());
  return dscores;
}

}  // namespace lamina::ops

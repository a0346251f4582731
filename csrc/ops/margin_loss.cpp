#include "ops/margin_loss.h"

#include "core/tape.h"
#include "kernels/margin_loss.h"
#include "kernels/registry.h"
#include "ops/channel_layout.h"
#include "ops/copy.h"
#include "ops/one_device.h"
#include "ops/shape.h"

namespace lamina::ops {
namespace {

using kernels::MarginLosses;
using kernels::MarginLossParams;

// Arguments in the kernel's order of memory.
struct Prepared {
  Array input, targets;
  std::optional<Array> weight;
  MarginLossParams params;
};

Prepared prepare(const char* op, const Array& input, const Array& targets, int64_t lowest,
                 double margin, bool squared) {
  check_one_device(op, {&input, &targets});
  check<TypeError>(input.dtype() == DType::float32 || input.dtype() == DType::float64, "[", op,
                   "] expected float32 or float64 scores, got ", name(input.dtype()));
  check<TypeError>(!is_floating(targets.dtype()) && targets.dtype() != DType::boolean, "[", op,
                   "] expected integer targets, got ", name(targets.dtype()));
  check(input.device() == targets.device(), "[", op, "] expected targets on ", name(input.device()),
        ", got ", name(targets.device()));
  check(input.rank() == 2 && input.size(1) > 0, "[", op,
        "] expected scores of shape (rows, classes), got ", input.shape());
  Prepared p{contiguous(input),
             contiguous(cast(targets, DType::int64)),
             std::nullopt,
             {input.size(0), input.size(1), margin, squared}};
  if (p.targets.device().type != DeviceType::cpu) return p;
  check_values([op, lowest, classes = input.size(1), targets = p.targets] {
    const int64_t* t = targets.data<int64_t>();
    for (int64_t i = 0, n = targets.numel(); i < n; ++i)
      check<IndexError>(t[i] >= lowest && t[i] < classes, "[", op, "] expected targets from ",
                        lowest, " to ", classes - 1, ", got ", t[i], " at position ", i);
  });
  return p;
}

Prepared prepare_multi(const Array& input, const Array& targets, const MultiMarginOptions& o) {
  check(o.power == 1 || o.power == 2, "[multi_margin_loss] expected p of 1 or 2, got ", o.power);
  if (o.weight)  // before the targets, as torch
    check(input.rank() != 2 || o.weight->shape() == Dims{input.size(1)},
          "[multi_margin_loss] expected ", input.rank() == 2 ? input.size(1) : 0,
          " weights, got shape ", o.weight->shape());
  Prepared p = prepare("multi_margin_loss", input, targets, 0, o.margin, o.power == 2);
  check(targets.shape() == Dims{input.size(0)}, "[multi_margin_loss] expected targets of shape ",
        Dims{input.size(0)}, ", got ", targets.shape());
  if (o.weight) {
    check(o.weight->device() == input.device(), "[multi_margin_loss] expected weights on ",
          name(input.device()), ", got ", name(o.weight->device()));
    check(o.weight->dtype() == input.dtype(), "[multi_margin_loss] expected weights of ",
          name(input.dtype()), ", got ", name(o.weight->dtype()));
    p.weight = contiguous(*o.weight);
  }
  return p;
}

Prepared prepare_multilabel(const Array& input, const Array& targets) {
  check(targets.shape() == input.shape(),
        "[multilabel_margin_loss] expected targets of the input's shape ", input.shape(), ", got ",
        targets.shape());
  return prepare("multilabel_margin_loss", input, targets, -1, 1.0, false);
}

const MarginLosses& kernels_of(const Prepared& p) {
  return kernels::on<MarginLosses>(p.input.device());
}

Array one_a_row(const Prepared& p) {
  return Array::empty({p.params.rows}, p.input.dtype(), p.input.device());
}

}  // namespace

Array multi_margin_loss(const Array& input, const Array& targets, const MultiMarginOptions& o) {
  const Prepared p = prepare_multi(input, targets, o);
  const Array losses = one_a_row(p);
  kernels_of(p).forward(input.dtype(), p.params, p.input.raw(), p.targets.data<int64_t>(),
                        raw_or_null(p.weight), losses.raw());
  return losses;
}

Array multi_margin_loss_backward(const Array& input, const Array& targets,
                                 const MultiMarginOptions& o, const Array& grad) {
  const Prepared p = prepare_multi(input, targets, o);
  const Array dlosses = contiguous(expand(grad, {p.params.rows}));
  const Array dx = Array::empty(input.shape(), input.dtype(), input.device());
  kernels_of(p).backward(input.dtype(), p.params, p.input.raw(), p.targets.data<int64_t>(),
                         raw_or_null(p.weight), dlosses.raw(), dx.raw());
  return dx;
}

Array multilabel_margin_loss(const Array& input, const Array& targets) {
  const Prepared p = prepare_multilabel(input, targets);
  const Array losses = one_a_row(p);
  kernels_of(p).multilabel_forward(input.dtype(), p.params, p.input.raw(),
                                   p.targets.data<int64_t>(), losses.raw());
  return losses;
}

Array multilabel_margin_loss_backward(const Array& input, const Array& targets, const Array& grad) {
  const Prepared p = prepare_multilabel(input, targets);
  const Array dlosses = contiguous(expand(grad, {p.params.rows}));
  const Array dx = Array::empty(input.shape(), input.dtype(), input.device());
  kernels_of(p).multilabel_backward(input.dtype(), p.params, p.input.raw(),
                                    p.targets.data<int64_t>(), dlosses.raw(), dx.raw());
  return dx;
}

}  // namespace lamina::ops

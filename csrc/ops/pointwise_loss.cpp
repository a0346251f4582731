#include "ops/pointwise_loss.h"

#include "kernels/registry.h"
#include "ops/copy.h"
#include "ops/loop.h"
#include "ops/promote.h"

namespace lamina::ops {
namespace {

using kernels::PointwiseLoss;
using kernels::PointwiseLosses;
using kernels::PointwiseLossInput;

// Arguments as the kernel wants them: one shape, dtype and order of memory.
struct Prepared {
  Array x, y;
  std::optional<Array> positive, weight;
  DType result;  // what the loss is promised in; narrow types compute in float32

  PointwiseLossInput input(PointwiseLoss loss, const double* p) const {
    return {loss,
            x.numel(),
            p,
            x.raw(),
            y.raw(),
            positive ? positive->raw() : nullptr,
            weight ? weight->raw() : nullptr};
  }
};

// `a` itself if it lies as `like` already, else a copy that does.
Array arranged(const Array& a, const Array& like) {
  if (a.dtype() == like.dtype() && a.shape() == like.shape() && a.strides() == like.strides())
    return a;
  const Array copy = Array::empty_like(like, like.dtype());
  copy_to(copy, a);
  return copy;
}

Prepared prepare(const char* op, const PointwiseLossArguments& arguments) {
  Dims shape{};
  DType dtype = arguments.input.dtype();
  const Device device = arguments.input.device();
  const auto take = [&](const Array& a) {
    check<TypeError>(is_floating(a.dtype()) || &a != &arguments.input, "[", op,
                     "] expected a floating input, got ", lamina::name(a.dtype()));
    check(a.device() == device, "[", op, "] expected all arrays on one device, got ",
          lamina::name(device), " and ", lamina::name(a.device()));
    shape = broadcast_shapes(shape, a.shape(), op);
    dtype = promote(dtype, a.dtype());
  };
  take(arguments.input);
  take(arguments.target);
  if (arguments.positive) take(*arguments.positive);
  if (arguments.weight) take(*arguments.weight);
  const DType compute = dtype == DType::float64 ? dtype : DType::float32;

  const Array& input = arguments.input;
  const bool as_it_lies = input.shape() == shape && input.is_dense() && input.dtype() == compute;
  Array x = as_it_lies ? input : Array::empty_like(input, shape, compute, op);
  if (!as_it_lies) copy_to(x, input);
  const auto ready = [&](const std::optional<Array>& a) {
    return a ? std::optional(arranged(*a, x)) : std::nullopt;
  };
  return {x, arranged(arguments.target, x), ready(arguments.positive), ready(arguments.weight),
          dtype};
}

// As users call it.
const char* called(PointwiseLoss loss) {
  if (loss == PointwiseLoss::kl_div_log_target) return name(PointwiseLoss::kl_div);
  if (loss == PointwiseLoss::poisson_nll_loss_log) return name(PointwiseLoss::poisson_nll_loss);
  return name(loss);
}

double scale_of(Reduction reduction, int64_t n) {
  return reduction == Reduction::mean ? 1.0 / static_cast<double>(n) : 1.0;
}

void check_probabilities(const char* op, const Array& a, const char* what) {
  check(kernels::on<PointwiseLosses>(a.device()).in_unit_interval(a.dtype(), a.numel(), a.raw()),
        "[", op, "] expected ", what, " from 0 to 1");
}

}  // namespace

Array pointwise_loss(PointwiseLoss loss, const PointwiseLossArguments& arguments,
                     Reduction reduction) {
  const char* op = called(loss);
  const Prepared p = prepare(op, arguments);
  if (loss == PointwiseLoss::binary_cross_entropy) {
    check_probabilities(op, p.x, "an input");
    check_probabilities(op, p.y, "a target");
  }
  const auto& kernel = kernels::on<PointwiseLosses>(p.x.device());
  const bool each = reduction == Reduction::none;
  const Array out =
      each ? Array::empty_like(p.x, p.x.dtype()) : Array::empty({}, p.x.dtype(), p.x.device());
  const PointwiseLossInput input = p.input(loss, arguments.p);
  if (each)
    kernel.elements(p.x.dtype(), input, out.raw());
  else
    kernel.total(p.x.dtype(), input, scale_of(reduction, p.x.numel()), out.raw());
  return cast(out, p.result);
}

Array pointwise_loss_backward(PointwiseLoss loss, const PointwiseLossArguments& arguments,
                              Reduction reduction, const Array& grad) {
  const Prepared p = prepare(called(loss), arguments);
  const bool one = reduction != Reduction::none;
  const Array g = one ? cast(grad, p.x.dtype()) : arranged(grad, p.x);
  const Array dx = Array::empty_like(p.x, p.x.dtype());
  kernels::on<PointwiseLosses>(p.x.device())
      .gradient(p.x.dtype(), p.input(loss, arguments.p), g.raw(), one,
                scale_of(reduction, p.x.numel()), dx.raw());
  return dx;
}

const char* name(PointwiseLoss loss) {
  constexpr const char* names[] = {"mse_loss",
                                   "l1_loss",
                                   "smooth_l1_loss",
                                   "huber_loss",
                                   "binary_cross_entropy",
                                   "binary_cross_entropy_with_logits",
                                   "kl_div",
                                   "kl_div_log_target",
                                   "soft_margin_loss",
                                   "hinge_embedding_loss",
                                   "margin_ranking_loss",
                                   "poisson_nll_loss_log",
                                   "poisson_nll_loss"};
  static_assert(std::size(names) == static_cast<size_t>(PointwiseLoss::poisson_nll_loss) + 1);
  return names[static_cast<int>(loss)];
}

}  // namespace lamina::ops

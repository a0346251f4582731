#include "ops/ctc.h"

#include "core/tape.h"
#include "kernels/ctc.h"
#include "kernels/registry.h"
#include "ops/copy.h"
#include "ops/one_device.h"
#include "ops/shape.h"

namespace lamina::ops {
namespace {

// Arguments in the kernel's order of memory.
struct Prepared {
  Array log_probs, targets;
  std::vector<int64_t> offsets;
  kernels::CtcParams params;
};

int64_t check_lengths(const char* what, const std::vector<int64_t>& lengths, int64_t batch,
                      int64_t most) {
  check(static_cast<int64_t>(lengths.size()) == batch, "[ctc_loss] expected ", batch, " ", what,
        ", got ", lengths.size());
  int64_t longest = 0;
  for (const int64_t n : lengths) {
    check(n >= 0 && n <= most, "[ctc_loss] expected ", what, " from 0 to ", most, ", got ", n);
    longest = std::max(longest, n);
  }
  return longest;
}

// Where each label sequence begins; checks that the targets hold them.
std::vector<int64_t> offsets_of(const CtcArguments& a, int64_t batch) {
  std::vector<int64_t> offsets(static_cast<size_t>(batch));
  int64_t sum = 0;
  for (size_t n = 0; n < offsets.size(); ++n) {
    offsets[n] = a.targets.rank() == 2 ? static_cast<int64_t>(n) * a.targets.size(1) : sum;
    sum += a.target_lengths[n];
  }
  if (a.targets.rank() == 1)
    check(a.targets.size(0) == sum, "[ctc_loss] expected targets of ", sum,
          " labels, the sum of target_lengths, got ", a.targets.size(0));
  return offsets;
}

void check_labels(const Prepared& p, const std::vector<int64_t>& lengths) {
  const Array here = to_device(p.targets, Device{});
  const int64_t* labels = here.data<int64_t>();
  for (size_t n = 0; n < lengths.size(); ++n)
    for (int64_t i = 0; i < lengths[n]; ++i) {
      const int64_t label = labels[p.offsets[n] + i];
      check<IndexError>(label >= 0 && label < p.params.classes,
                        "[ctc_loss] expected targets from 0 to ", p.params.classes - 1, ", got ",
                        label, " in sequence ", n);
    }
}

Prepared prepare(const CtcArguments& a) {
  check_one_device("ctc_loss", {&a.log_probs, &a.targets});
  const Array& x = a.log_probs;
  check<TypeError>(x.dtype() == DType::float32 || x.dtype() == DType::float64,
                   "[ctc_loss] expected float32 or float64 log-probabilities, got ",
                   name(x.dtype()));
  check<TypeError>(!is_floating(a.targets.dtype()) && a.targets.dtype() != DType::boolean,
                   "[ctc_loss] expected integer targets, got ", name(a.targets.dtype()));
  check(x.device() == a.targets.device(), "[ctc_loss] expected targets on ", name(x.device()),
        ", got ", name(a.targets.device()));
  check(x.rank() == 3,
        "[ctc_loss] expected log-probabilities of shape (steps, batch, classes), got ", x.shape());
  const int64_t batch = x.size(1), classes = x.size(2);
  check(a.blank >= 0 && a.blank < classes, "[ctc_loss] expected a blank from 0 to ", classes - 1,
        ", got ", a.blank);
  check(a.targets.rank() == 1 || (a.targets.rank() == 2 && a.targets.size(0) == batch),
        "[ctc_loss] expected targets of shape (", batch, ", S) or one after another, got ",
        a.targets.shape());
  check_lengths("input_lengths", a.input_lengths, batch, x.size(0));
  const int64_t longest = check_lengths("target_lengths", a.target_lengths, batch,
                                        a.targets.size(a.targets.rank() - 1));
  Prepared p{contiguous(x), contiguous(cast(a.targets, DType::int64)), offsets_of(a, batch), {}};
  p.params = {x.size(0),
              batch,
              classes,
              2 * longest + 1,
              a.blank,
              p.targets.data<int64_t>(),
              p.offsets.data(),
              a.input_lengths.data(),
              a.target_lengths.data()};
  if (x.device().type == DeviceType::cpu)
    check_values([p, lengths = a.target_lengths] { check_labels(p, lengths); });
  return p;
}

}  // namespace

CtcResult ctc_loss(const CtcArguments& arguments) {
  const Prepared p = prepare(arguments);
  const DType dtype = p.log_probs.dtype();
  const Device device = p.log_probs.device();
  const CtcResult r{
      Array::empty({p.params.batch}, dtype, device),
      Array::empty({p.params.batch, p.params.steps, p.params.positions}, dtype, device)};
  kernels::on<kernels::Ctc>(device).forward(dtype, p.params, p.log_probs.raw(), r.losses.raw(),
                                            r.log_alpha.raw());
  return r;
}

Array ctc_loss_backward(const CtcArguments& arguments, const CtcResult& saved, const Array& grad,
                        bool zero_infinity) {
  const Prepared p = prepare(arguments);
  const Array dlosses = contiguous(expand(grad, {p.params.batch}));
  const Array dx = Array::empty(p.log_probs.shape(), p.log_probs.dtype(), p.log_probs.device());
  kernels::on<kernels::Ctc>(dx.device())
      .backward(dx.dtype(), p.params, p.log_probs.raw(), saved.losses.raw(), saved.log_alpha.raw(),
                dlosses.raw(), zero_infinity, dx.raw());
  return dx;
}

}  // namespace lamina::ops

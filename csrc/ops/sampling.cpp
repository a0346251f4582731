#include "ops/sampling.h"

#include "core/check.h"
#include "core/scope.h"
#include "kernels/registry.h"
#include "kernels/sampling.h"
#include "ops/elementwise.h"

namespace lamina::ops {

using kernels::Sampling;
using kernels::WeightError;

Array bernoulli(const Array& p, PhiloxKey key) {
  check<TypeError>(is_floating(p.dtype()), "[bernoulli] expected floating probabilities, got ",
                   name(p.dtype()));
  const Array source = contiguous(p);
  const Array out = Array::empty(p.shape(), p.dtype(), p.device(), "bernoulli");
  const bool valid = kernels::on<Sampling>(p.device())
                         .bernoulli(key, p.dtype(), p.numel(), source.raw(), out.raw());
  check(valid, "[bernoulli] expected 0 <= p <= 1, got a value outside");
  return out;
}

Array randperm(int64_t n, PhiloxKey key) {
  check(n >= 0, "[randperm] expected n >= 0, got ", n);
  const Array out = Array::empty({n}, DType::int64, {}, "randperm");
  if (n > 10'000) KernelScope::entering_long_work();
  kernels::on<Sampling>(out.device()).permutation(key, n, out.data<int64_t>());
  return out;
}

Array multinomial(const Array& weights, int64_t samples, bool replacement, PhiloxKey key) {
  check<TypeError>(is_floating(weights.dtype()), "[multinomial] expected floating weights, got ",
                   name(weights.dtype()));
  check(weights.rank() == 1 || weights.rank() == 2,
        "[multinomial] expected weights of shape (categories) or (rows, categories), got ",
        weights.shape());
  const int64_t categories = weights.shape().back(),
                rows = weights.rank() == 2 ? weights.size(0) : 1;
  check(samples >= 1, "[multinomial] expected num_samples >= 1, got ", samples);
  check(categories >= 1, "[multinomial] expected at least one category, got shape ",
        weights.shape());
  check(replacement || samples <= categories, "[multinomial] expected num_samples <= ", categories,
        " categories without replacement, got ", samples);
  const DType dtype = weights.dtype() == DType::float64 ? DType::float64 : DType::float32;
  const Array source = contiguous(cast(weights, dtype));
  const Dims shape = weights.rank() == 2 ? Dims{rows, samples} : Dims{samples};
  const Array out = Array::empty(shape, DType::int64, weights.device(), "multinomial");
  const WeightError error = kernels::on<Sampling>(weights.device())
                                .multinomial({key, rows, categories, samples, dtype, source.raw(),
                                              out.data<int64_t>(), replacement});
  check(error != WeightError::negative,
        "[multinomial] expected finite weights >= 0, got negative, infinite or NaN");
  check(error != WeightError::no_sum,
        "[multinomial] expected a positive weight in every row, got only zeros");
  check(error != WeightError::too_few, "[multinomial] expected at least num_samples=", samples,
        " positive weights in every row without replacement, got fewer");
  return out;
}

}  // namespace lamina::ops

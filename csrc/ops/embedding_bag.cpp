#include "ops/embedding_bag.h"

#include "core/check.h"
#include "core/tape.h"
#include "kernels/registry.h"
#include "ops/elementwise.h"
#include "ops/lookup.h"
#include "ops/one_device.h"

namespace lamina::ops {
namespace {

using kernels::BagMode;
using kernels::Bags;
using kernels::EmbeddingBag;
constexpr const char* kOp = "embedding_bag";

// Arguments as kernels read them; holds what had to be copied for that.
struct Ready {
  Array index, offsets, factors;
  Bags bags;

  Ready(const Array& values, int64_t rows, int64_t features, const BagArguments& a)
      : index(contiguous(as_index(a.index, kOp))),
        offsets(contiguous(a.offsets)),
        factors(a.factors ? contiguous(*a.factors) : index) {
    check_one_device(kOp, {&values, &index, &offsets, a.factors});
    check<TypeError>(values.dtype() == DType::float32 || values.dtype() == DType::float64,
                     "[embedding_bag] expected a weight of float32 or float64, got ",
                     name(values.dtype()));
    check<TypeError>(!a.factors || factors.dtype() == values.dtype(),
                     "[embedding_bag] expected per_sample_weights of ", name(values.dtype()),
                     ", got ", name(factors.dtype()));
    check(index.rank() == 1 && offsets.rank() == 1 && offsets.numel() >= 1 &&
              offsets.dtype() == DType::int64 && (!a.factors || factors.shape() == index.shape()),
          "[embedding_bag] expected an index (n), offsets (bags + 1) and factors (n), got shapes ",
          index.shape(), ", ", offsets.shape(), " and ", factors.shape());
    check_positions(index, rows, 0, false, kOp);
    bags = {values.dtype(),
            a.mode,
            offsets.numel() - 1,
            index.numel(),
            rows,
            features,
            index.data<int64_t>(),
            offsets.data<int64_t>(),
            a.padding,
            a.factors ? factors.raw() : nullptr};
    if (offsets.device().type == DeviceType::cpu)  // kernels follow them
      check_values([held = offsets, bags = bags] { check_offsets(bags); });
  }

 private:
  static void check_offsets(const Bags& bags) {
    const int64_t* at = bags.offsets;
    bool rising = at[0] == 0 && at[bags.bags] == bags.entries;
    for (int64_t b = 0; b < bags.bags; ++b) rising &= at[b] <= at[b + 1];
    check(rising, "[embedding_bag] expected offsets that rise from 0 to ", bags.entries,
          ", the length of the input");
  }
};

}  // namespace

std::pair<Array, Array> embedding_bag(const Array& table, const BagArguments& a) {
  check(table.rank() == 2, "[embedding_bag] expected a weight (rows, features), got shape ",
        table.shape());
  const Ready r(table, table.size(0), table.size(1), a);
  const Array rows = contiguous(table);
  const Dims shape{r.bags.bags, r.bags.features};
  const bool max = a.mode == BagMode::max;
  const Array out = Array::empty(shape, table.dtype(), table.device(), kOp);
  const Array winners = Array::empty(max ? shape : Dims{0}, DType::int64, table.device(), kOp);
  if (out.numel() > 0)
    kernels::on<EmbeddingBag>(table.device())
        .forward(r.bags, rows.raw(), out.raw(), max ? winners.data<int64_t>() : nullptr);
  return {out, winners};
}

Array embedding_bag_backward(const Array& grad, const Array& winners, int64_t rows,
                             const BagArguments& a) {
  const Ready r(grad, rows, grad.size(1), a);
  check(grad.rank() == 2 && grad.size(0) == r.bags.bags &&
            (a.mode != BagMode::max || winners.shape() == grad.shape()),
        "[embedding_bag] expected a gradient (bags, features), got shape ", grad.shape());
  const Array g = contiguous(grad);
  const Array out = Array::empty({rows, r.bags.features}, grad.dtype(), grad.device(), kOp);
  fill(out, Scalar::of(0.0));
  if (out.numel() > 0 && r.bags.bags > 0)
    kernels::on<EmbeddingBag>(grad.device())
        .backward(r.bags, g.raw(), winners.data<int64_t>(), out.raw());
  return out;
}

Array embedding_bag_backward_factors(const Array& grad, const Array& table, const BagArguments& a) {
  const Ready r(grad, table.size(0), table.size(1), a);
  check(grad.shape() == Dims({r.bags.bags, r.bags.features}) && table.dtype() == grad.dtype(),
        "[embedding_bag] expected a gradient (bags, features), got shape ", grad.shape());
  const Array g = contiguous(grad), rows = contiguous(table);
  const Array out = Array::empty({r.bags.entries}, grad.dtype(), grad.device(), kOp);
  if (out.numel() > 0)
    kernels::on<EmbeddingBag>(grad.device())
        .backward_factors(r.bags, g.raw(), rows.raw(), out.raw());
  return out;
}

}  // namespace lamina::ops

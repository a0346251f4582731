// Reductions over some or all dimensions.
#pragma once

#include <optional>
#include <utility>

#include "core/array.h"
#include "kernels/reduce.h"

namespace lamina::ops {

struct ReduceOptions {
  std::optional<Dims> dims;  // none, or empty: all
  bool keepdim = false;
  std::optional<DType> dtype;  // what elements are converted to first
  double parameter = 0;        // p of a norm, correction of a variance
};

Array reduce(kernels::Reduce op, const Array& a, const ReduceOptions& options);

// max and min: (values, indices); var and std: (variance or deviation, mean).
std::pair<Array, Array> reduce_pair(kernels::Reduce op, const Array& a,
                                    const ReduceOptions& options);

// The sum over the dimensions that broadcasting `shape` to a's shape would add or stretch; `a`
// itself where there are none.
Array sum_to(const Array& a, const Dims& shape);

}  // namespace lamina::ops

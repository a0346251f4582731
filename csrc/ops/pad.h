// Padding: an array in the middle of a larger one, with a border made of a number or of the array
// itself.
#pragma once

#include "core/array.h"
#include "ops/promote.h"

namespace lamina::ops {

// What the border shows of a row a b c d: e e, (d) c b | b c (reflect: without the edge), a a | d
// d, c d | a b.
enum class PadMode { constant, reflect, replicate, circular };

// `before` and `after` hold one number a dimension; negative ones crop.
Array pad(const Array& a, const Dims& before, const Dims& after, PadMode mode, const Scalar& value);
// The adjoint of pad for an input of `shape`: what lies in the border is added where it came from.
Array pad_backward(const Array& grad, const Dims& before, const Dims& after, PadMode mode,
                   const Dims& shape);

}  // namespace lamina::ops

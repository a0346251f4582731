// Elementwise ops with broadcasting and torch's type promotion.
//
// With `out`, the result is written there, whatever the dtype that it casts to; `out` may be one of
// the operands (an op in place) or overlap them.  Returns the result.
#pragma once

#include "kernels/elementwise.h"
#include "ops/copy.h"

namespace lamina::ops {

struct Parameters {
  double p[3] = {};
};

Array unary(kernels::Unary op, const Array& a, const Parameters& parameters = {},
            const Array* out = nullptr);
Array binary(kernels::Binary op, const Operand& a, const Operand& b,
             const Parameters& parameters = {}, const Array* out = nullptr);
Array ternary(kernels::Ternary op, const Operand& a, const Operand& b, const Operand& c,
              const Parameters& parameters = {}, const Array* out = nullptr);

const char* name(kernels::Unary op);
const char* name(kernels::Binary op);
const char* name(kernels::Ternary op);

}  // namespace lamina::ops

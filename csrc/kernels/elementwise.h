// Elementwise ops: out[i] = f(a[i], b[i]).  All operands of a call have the computation's dtype; comparisons write bool.
#pragma once

#include "core/dtype.h"
#include "kernels/loop.h"

namespace lamina::kernels {

enum class Binary { add, subtract, multiply, divide };

struct Elementwise {
  void (*binary)(Binary op, DType dtype, const Loop<3>& loop);    // out, a, b
  void (*cast)(DType from, DType to, const Loop<2>& loop);        // out, a; also the strided copy
};

}  // namespace lamina::kernels

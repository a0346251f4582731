// How the losses of elements become one.
#pragma once

namespace lamina::ops {

enum class Reduction { none, sum, mean };

}  // namespace lamina::ops

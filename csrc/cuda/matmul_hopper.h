// Matrix products of 16-bit floats on Hopper's tensor cores.
#pragma once

#include "kernels/matmul.h"

namespace lamina::cuda {

// False, and nothing done, where the device or the copy engine does not take them.
bool multiply_on_hopper(const kernels::MatrixProduct& product);

}  // namespace lamina::cuda

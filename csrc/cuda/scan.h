// Running sums for kernels of other families.
#pragma once

#include <cstdint>

namespace lamina::cuda {

// out[i] = in[0] + ... + in[i] for n >= 1 elements on the active device; `out` may be `in`.
void running_sum(const int64_t* in, int64_t n, int64_t* out);

}  // namespace lamina::cuda

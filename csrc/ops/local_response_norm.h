// Local response normalisation across channels, dimension 1.
#pragma once

#include "core/array.h"

namespace lamina::ops {

struct LocalResponseNormOptions {
  int64_t size;
  double alpha, beta, k;
};

Array local_response_norm(const Array& x, const LocalResponseNormOptions& options);
Array local_response_norm_backward(const Array& x, const Array& dy,
                                   const LocalResponseNormOptions& options);

}  // namespace lamina::ops

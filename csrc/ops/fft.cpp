#include "ops/fft.h"

#include "kernels/fft.h"
#include "kernels/registry.h"
#include "ops/elementwise.h"

namespace lamina::ops {

Array rfft2(const Array& x) {
  check(x.rank() == 3, "[rfft2] expected an input of 3 dimensions (count, h, w), got shape ",
        x.shape());
  check<TypeError>(x.dtype() == DType::float32 || x.dtype() == DType::float64,
                   "[rfft2] expected float32 or float64, got ", name(x.dtype()));
  const int64_t h = x.size(1), w = x.size(2);
  const kernels::RealFft& kernels = kernels::on<kernels::RealFft>(x.device());
  check(kernels.offers(h, w), "[rfft2] expected sizes of at most 256 with factors 2, 3 and 5, of ",
        "which the second is even, got shape ", x.shape());
  const Array y = Array::empty({x.size(0), h, w / 2 + 1, 2}, x.dtype(), x.device(), "rfft2");
  if (y.numel() == 0) return y;
  const Array from = contiguous(x);
  kernels.transform(x.dtype(), x.size(0), h, w, from.raw(), y.raw());
  return y;
}

}  // namespace lamina::ops

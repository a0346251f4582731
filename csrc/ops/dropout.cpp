#include "ops/dropout.h"

#include "core/check.h"
#include "kernels/dropout.h"
#include "kernels/registry.h"
#include "ops/elementwise.h"

namespace lamina::ops {

Array dropout(const Array& x, double p, PhiloxKey key) {
  check<TypeError>(is_floating(x.dtype()), "[dropout] expected a floating dtype, got ",
                   name(x.dtype()));
  check(p >= 0 && p <= 1, "[dropout] expected 0 <= p <= 1, got ", p);
  const bool channels_last = !x.is_contiguous() && x.is_channels_last();
  const Array source = channels_last ? x : contiguous(x);
  const Array out = Array::empty_like(source, x.dtype());
  const int64_t n = x.numel();
  if (n == 0) return out;
  const int64_t batch = channels_last ? x.size(0) : 1, channels = channels_last ? x.size(1) : 1;
  kernels::on<kernels::Dropout>(x.device())
      .apply(key, p, x.dtype(), batch, channels, n / (batch * channels), channels_last,
             source.raw(), out.raw());
  return out;
}

}  // namespace lamina::ops

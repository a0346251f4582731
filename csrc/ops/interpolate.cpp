#include "ops/interpolate.h"

#include "kernels/interpolate.h"
#include "kernels/registry.h"
#include "ops/copy.h"
#include "ops/interpolate_taps.h"

namespace lamina::ops {
namespace {

using kernels::kResampleDims;

void check_input(const Array& x, const Dims& size, const std::vector<double>& scales) {
  const int rank = size.size();
  check(rank >= 1 && rank <= kResampleDims && x.rank() == rank + 2,
        "[interpolate] expected an input of 3 to 5 dimensions and a size for each but two, got "
        "shape ",
        x.shape(), " and ", rank, " sizes");
  check(scales.size() == static_cast<size_t>(rank), "[interpolate] expected ", rank, " scales");
  check<TypeError>(is_floating(x.dtype()), "[interpolate] expected a floating dtype, got ",
                   name(x.dtype()));
  constexpr int64_t kLimit = int64_t{1} << 31;
  for (int d = 0; d < rank; ++d) {
    check(x.size(d + 2) > 0 && x.size(d + 2) < kLimit && size[d] > 0 && size[d] < kLimit,
          "[interpolate] expected spatial sizes of at least 1, got shape ", x.shape(),
          " and an output of ", size);
  }
}

std::vector<Taps> tables(const Array& x, const Dims& from, const Dims& to,
                         const std::vector<double>& scales, const InterpolateOptions& options) {
  std::vector<Taps> result;
  for (int d = 0; d < kResampleDims; ++d) {
    const int at = d - kResampleDims + to.size();
    if (at < 0)
      result.push_back({1, 1, 1, {1}, {0}, {1.0}});
    else if (x.dtype() == DType::float64)
      result.push_back(make_taps<double>(from[at], to[at], scales[at], options));
    else
      result.push_back(make_taps<float>(from[at], to[at], scales[at], options));
  }
  return result;
}

// y (N, C, size...) from x by the tables, in x's memory order.
Array resample(const Array& x, const Dims& size, const std::vector<Taps>& taps) {
  const DType compute = x.dtype() == DType::float64 ? DType::float64 : DType::float32;
  Dims shape = x.shape();
  for (int d = 0; d < size.size(); ++d) shape[d + 2] = size[d];
  Array in = cast(x, compute);
  const bool last = !in.is_contiguous() && in.is_channels_last();
  in = last ? in : contiguous(in);
  const Array y = last ? Array::empty_channels_last(shape, compute, x.device(), "interpolate")
                       : Array::empty(shape, compute, x.device(), "interpolate");
  if (y.numel() == 0) return cast(y, x.dtype());
  kernels::ResamplePlan p{compute, last, x.size(0), x.size(1), {}};
  for (int d = 0; d < kResampleDims; ++d) {
    const Taps& t = taps[static_cast<size_t>(d)];
    p.dims[d] = {t.in, t.out, t.taps, t.count.data(), t.index.data(), t.weight.data()};
  }
  kernels::on<kernels::Interpolate>(x.device()).resample(p, in.raw(), y.raw());
  return cast(y, x.dtype());
}

Dims spatial(const Dims& shape) {
  Dims result;
  for (int d = 2; d < shape.size(); ++d) result.push_back(shape[d]);
  return result;
}

}  // namespace

Array interpolate(const Array& x, const Dims& size, const std::vector<double>& scales,
                  const InterpolateOptions& options) {
  check_input(x, size, scales);
  return resample(x, size, tables(x, spatial(x.shape()), size, scales, options));
}

Array interpolate_backward(const Array& grad, const Dims& shape, const std::vector<double>& scales,
                           const InterpolateOptions& options) {
  const Dims from = spatial(shape), to = spatial(grad.shape());
  check_input(grad, from, scales);
  std::vector<Taps> taps = tables(grad, from, to, scales, options);
  for (Taps& t : taps) t = transposed(t);
  return resample(grad, from, taps);
}

}  // namespace lamina::ops

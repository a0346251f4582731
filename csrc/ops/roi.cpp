#include "ops/roi.h"

#include <cmath>

#include "core/tape.h"
#include "kernels/registry.h"
#include "kernels/roi.h"
#include "ops/copy.h"
#include "ops/one_device.h"

namespace lamina::ops {
namespace {

using kernels::Roi;
using kernels::RoiShape;

// Sampling by pixels takes time in proportion to a box: this many pixels are more than any map has.
constexpr double kMostPixels = 1 << 20;

// Regions on a device are read back: what they say decides how much work there is.
template <class T>
void check_rois(const Array& rois, const RoiShape& s, const char* op) {
  const Array here = to_device(rois, Device{});
  const T* p = here.data<T>();
  for (int64_t k = 0; k < s.rois; ++k, p += 5) {
    check<IndexError>(p[0] >= 0 && p[0] < static_cast<T>(s.batch), "[", op,
                      "] expected images from 0 to ", s.batch - 1, ", got ", p[0], " in region ",
                      k);
    for (int i = 1; i < 5; ++i)
      check(std::abs(p[i]) * s.scale < kMostPixels, "[", op,
            "] expected finite coordinates of fewer than 2^20 pixels, got ", p[i], " in region ",
            k);
  }
}

RoiShape shape_of(const Array& like, const Dims& x, const Array& rois, const RoiOptions& options,
                  const char* op) {
  check_one_device(op, {&like, &rois});
  check(x.size() == 4, "[", op, "] expected an input of 4 dimensions, got shape ", x);
  check(rois.rank() == 2 && rois.size(1) == 5, "[", op,
        "] expected regions of shape (K, 5): image, x1, y1, x2, y2; got shape ", rois.shape());
  check<TypeError>(like.dtype() == rois.dtype() &&
                       (like.dtype() == DType::float32 || like.dtype() == DType::float64),
                   "[", op, "] expected float32 or float64 twice, got ", name(like.dtype()),
                   " and ", name(rois.dtype()));
  constexpr int64_t kLimit = int64_t{1} << 31;
  check(options.out_height > 0 && options.out_width > 0 && options.out_height < kLimit &&
            options.out_width < kLimit,
        "[", op, "] expected an output_size of at least 1, got ", options.out_height, " and ",
        options.out_width);
  check(x[2] > 0 && x[3] > 0 && x[2] * x[3] < kLimit, "[", op,
        "] expected spatial sizes of at least 1, got shape ", x);
  check(options.scale > 0 && std::isfinite(options.scale), "[", op,
        "] expected a spatial_scale above 0, got ", options.scale);
  check(options.sampling_ratio < kLimit / 2, "[", op, "] expected a smaller sampling_ratio, got ",
        options.sampling_ratio);
  const int ratio = options.sampling_ratio > 0 ? static_cast<int>(options.sampling_ratio) : 0;
  const RoiShape s{like.dtype(),
                   !like.is_contiguous() && like.is_channels_last(),
                   x[0],
                   x[1],
                   x[2],
                   x[3],
                   rois.size(0),
                   options.out_height,
                   options.out_width,
                   options.scale,
                   ratio,
                   options.aligned};
  check_values([rois, s, op] {
    if (s.dtype == DType::float64)
      check_rois<double>(rois, s, op);
    else
      check_rois<float>(rois, s, op);
  });
  return s;
}

Array in_order(const Array& a, const RoiShape& s) {
  return s.channels_last ? channels_last(a) : contiguous(a);
}

Array allocate(const Dims& shape, DType dtype, const RoiShape& s, Device device, const char* op) {
  return s.channels_last ? Array::empty_channels_last(shape, dtype, device, op)
                         : Array::empty(shape, dtype, device, op);
}

Dims output_shape(const RoiShape& s) { return {s.rois, s.channels, s.out_height, s.out_width}; }

void check_grad(const Array& dy, const RoiShape& s, const char* op) {
  check(dy.shape() == output_shape(s), "[", op, "] expected a gradient of shape ", output_shape(s),
        ", got ", dy.shape());
}

}  // namespace

Array roi_align(const Array& x, const Array& rois, const RoiOptions& options) {
  const Array regions = contiguous(rois);
  const RoiShape s = shape_of(x, x.shape(), regions, options, "roi_align");
  const Array in = in_order(x, s);
  const Array y = allocate(output_shape(s), s.dtype, s, x.device(), "roi_align");
  if (y.numel() > 0)
    kernels::on<Roi>(x.device()).align_forward(s, in.raw(), regions.raw(), y.raw());
  return y;
}

Array roi_align_backward(const Array& dy, const Array& rois, const Dims& shape,
                         const RoiOptions& options) {
  const Array regions = contiguous(rois);
  const RoiShape s = shape_of(dy, shape, regions, options, "roi_align");
  check_grad(dy, s, "roi_align");
  const Array g = in_order(dy, s), dx = allocate(shape, s.dtype, s, dy.device(), "roi_align");
  if (dx.numel() > 0)
    kernels::on<Roi>(dy.device()).align_backward(s, g.raw(), regions.raw(), dx.raw());
  return dx;
}

std::pair<Array, Array> roi_pool(const Array& x, const Array& rois, const RoiOptions& options) {
  const Array regions = contiguous(rois);
  const RoiShape s = shape_of(x, x.shape(), regions, options, "roi_pool");
  const Array in = in_order(x, s);
  const Array y = allocate(output_shape(s), s.dtype, s, x.device(), "roi_pool");
  const Array winner = allocate(output_shape(s), DType::int32, s, x.device(), "roi_pool");
  if (y.numel() > 0)
    kernels::on<Roi>(x.device())
        .pool_forward(s, in.raw(), regions.raw(), y.raw(), winner.data<int32_t>());
  return {y, winner};
}

Array roi_pool_backward(const Array& dy, const Array& rois, const Array& winner, const Dims& shape,
                        const RoiOptions& options) {
  const Array regions = contiguous(rois);
  const RoiShape s = shape_of(dy, shape, regions, options, "roi_pool");
  check_grad(dy, s, "roi_pool");
  check_one_device("roi_pool", {&dy, &winner});
  check(winner.shape() == dy.shape() && winner.dtype() == DType::int32,
        "[roi_pool] expected int32 winners of shape ", dy.shape(), ", got shape ", winner.shape());
  const Array g = in_order(dy, s), won = in_order(winner, s);
  const Array dx = allocate(shape, s.dtype, s, dy.device(), "roi_pool");
  if (dx.numel() > 0)
    kernels::on<Roi>(dy.device())
        .pool_backward(s, g.raw(), regions.raw(), won.data<int32_t>(), dx.raw());
  return dx;
}

Array nms(const Array& boxes, const Array& order, double threshold) {
  needs_values("nms", "how many boxes are kept");
  check_one_device("nms", {&boxes, &order});
  check(boxes.rank() == 2 && boxes.size(1) == 4,
        "[nms] expected boxes of shape (n, 4): x1, y1, x2, y2; got shape ", boxes.shape());
  check<TypeError>(boxes.dtype() == DType::float32 || boxes.dtype() == DType::float64,
                   "[nms] expected boxes of float32 or float64, got ", name(boxes.dtype()));
  const int64_t n = boxes.size(0);
  check(order.shape() == Dims({n}) && order.dtype() == DType::int64, "[nms] expected an order of ",
        n, " int64 indices, got shape ", order.shape());
  const Array in = contiguous(boxes), best = contiguous(order);
  const Array here = to_device(best, Device{});
  for (int64_t i = 0; i < n; ++i)
    check<IndexError>(here.data<int64_t>()[i] >= 0 && here.data<int64_t>()[i] < n,
                      "[nms] expected indices from 0 to ", n - 1, ", got ",
                      here.data<int64_t>()[i]);
  const Array kept = Array::empty({n}, DType::int64, boxes.device(), "nms");
  const int64_t count = n == 0 ? 0
                               : kernels::on<Roi>(boxes.device())
                                     .nms(boxes.dtype(), n, in.raw(), best.data<int64_t>(),
                                          threshold, kept.data<int64_t>());
  return clone(kept.view({count}, {1}, 0));
}

}  // namespace lamina::ops

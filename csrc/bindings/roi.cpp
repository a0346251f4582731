#include "ops/roi.h"

#include "bindings/bindings.h"

namespace lamina::bindings {

void bind_roi(py::module_& m) {
  def(m, "roi_align",
      [](const Array& x, const Array& rois, int64_t out_height, int64_t out_width, double scale,
         int64_t sampling_ratio, bool aligned) {
        return ops::roi_align(x, rois, {out_height, out_width, scale, sampling_ratio, aligned});
      });
  def(m, "roi_align_backward",
      [](const Array& dy, const Array& rois, const Dims& shape, int64_t out_height,
         int64_t out_width, double scale, int64_t sampling_ratio, bool aligned) {
        return ops::roi_align_backward(dy, rois, shape,
                                       {out_height, out_width, scale, sampling_ratio, aligned});
      });
  def(m, "roi_pool",
      [](const Array& x, const Array& rois, int64_t out_height, int64_t out_width, double scale) {
        return ops::roi_pool(x, rois, {out_height, out_width, scale});
      });
  def(m, "roi_pool_backward",
      [](const Array& dy, const Array& rois, const Array& winner, const Dims& shape,
         int64_t out_height, int64_t out_width, double scale) {
        return ops::roi_pool_backward(dy, rois, winner, shape, {out_height, out_width, scale});
      });
  def(m, "nms", &ops::nms);
}

}  // namespace lamina::bindings

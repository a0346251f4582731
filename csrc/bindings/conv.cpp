#include "ops/conv.h"

#include "bindings/bindings.h"
#include "core/kept.h"

namespace lamina::bindings {
namespace {

// stride, padding before and after, dilation, groups, the algorithm's number.
ops::ConvGeometry geometry(const Dims& stride, const Dims& pad_begin, const Dims& pad_end,
                           const Dims& dilation, int64_t groups, int algorithm) {
  return {stride,   pad_begin, pad_end,
          dilation, groups,    static_cast<kernels::ConvAlgorithm>(algorithm)};
}

}  // namespace

void bind_conv(py::module_& m) {
  py::enum_<kernels::ConvPass>(m, "ConvPass")
      .value("fprop", kernels::ConvPass::fprop)
      .value("dgrad", kernels::ConvPass::dgrad)
      .value("wgrad", kernels::ConvPass::wgrad);
  def(m, "conv_choice",
      [](kernels::ConvPass pass, const Array& x, const Dims& x_shape, const Dims& w_shape,
         const Dims& stride, const Dims& begin, const Dims& end, const Dims& dilation,
         int64_t groups, int algorithm) {
        return static_cast<int>(ops::conv_choice(
            x_shape, w_shape, geometry(stride, begin, end, dilation, groups, algorithm), x.dtype(),
            x.device(), pass));
      });
  def(m, "conv_work",
      [](kernels::ConvPass pass, const Array& x, const Dims& x_shape, const Dims& w_shape,
         const Dims& stride, const Dims& begin, const Dims& end, const Dims& dilation,
         int64_t groups, int algorithm) {
        const kernels::ConvWork work = ops::conv_work(
            x_shape, w_shape, geometry(stride, begin, end, dilation, groups, algorithm), x.dtype(),
            x.device(), pass);
        return std::pair(std::vector<double>(work.units, work.units + kernels::kConvUnits),
                         work.seconds);
      });
  py::class_<Kept>(m, "Kept").def(py::init<>());
  def(m, "conv",
      [](const Array& x, const Array& w, const Array* bias, const Dims& stride, const Dims& begin,
         const Dims& end, const Dims& dilation, int64_t groups, int algorithm) {
        return ops::conv(x, w, bias, geometry(stride, begin, end, dilation, groups, algorithm));
      });
  py::class_<ops::Moments>(m, "Moments")
      .def_property_readonly("found",
                             [](const ops::Moments& self) { return self.found->count > 0; });
  def(m, "conv_moments",
      [](const Array& x, const Array& w, const Array* bias, const Dims& stride, const Dims& begin,
         const Dims& end, const Dims& dilation, int64_t groups, int algorithm) {
        return ops::conv_moments(x, w, bias,
                                 geometry(stride, begin, end, dilation, groups, algorithm));
      });
  def(m, "conv_fused",
      [](const Array& x, const Array& w, const Array* bias, const Array* residual, double low,
         double high, Kept* kept, const Dims& stride, const Dims& begin, const Dims& end,
         const Dims& dilation, int64_t groups, int algorithm) {
        return ops::conv(x, w, bias, geometry(stride, begin, end, dilation, groups, algorithm),
                         residual, {low, high}, kept);
      });
  def(m, "conv_dgrad",
      [](const Array& dy, const Array& w, const Dims& x_shape, const Dims& stride,
         const Dims& begin, const Dims& end, const Dims& dilation, int64_t groups, int algorithm) {
        return ops::conv_dgrad(dy, w, x_shape,
                               geometry(stride, begin, end, dilation, groups, algorithm));
      });
  def(m, "conv_wgrad",
      [](const Array& x, const Array& dy, const Dims& w_shape, const Dims& stride,
         const Dims& begin, const Dims& end, const Dims& dilation, int64_t groups, int algorithm) {
        return ops::conv_wgrad(x, dy, w_shape,
                               geometry(stride, begin, end, dilation, groups, algorithm));
      });
  def(m, "conv_bias_grad", &ops::conv_bias_grad);
  def(m, "conv_transpose",
      [](const Array& x, const Array& w, const Array* bias, const Dims& stride, const Dims& begin,
         const Dims& end, const Dims& dilation, int64_t groups, int algorithm) {
        return ops::conv_transpose(x, w, bias,
                                   geometry(stride, begin, end, dilation, groups, algorithm));
      });
}

}  // namespace lamina::bindings

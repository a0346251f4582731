#include "ops/unfold.h"

#include "bindings/bindings.h"

namespace lamina::bindings {

void bind_unfold(py::module_& m) {
  def(m, "unfold_patches",
      [](const Array& x, const Dims& kernel, const Dims& stride, const Dims& padding,
         const Dims& dilation) {
        return ops::unfold_patches(x, {kernel, stride, padding, dilation});
      });
  def(m, "fold_patches",
      [](const Array& columns, const Dims& size, const Dims& kernel, const Dims& stride,
         const Dims& padding, const Dims& dilation) {
        return ops::fold_patches(columns, size, {kernel, stride, padding, dilation});
      });
}

}  // namespace lamina::bindings

#include "ops/scan.h"

#include "bindings/bindings.h"

namespace lamina::bindings {

using kernels::ScanOp;

void bind_scan(py::module_& m) {
  def(m, "cumsum", [](const Array& a, int64_t dim, std::optional<DType> dtype) {
    return ops::scan(ScanOp::sum, a, dim, dtype);
  });
  def(m, "cumprod", [](const Array& a, int64_t dim, std::optional<DType> dtype) {
    return ops::scan(ScanOp::prod, a, dim, dtype);
  });
  def(m, "cummax",
      [](const Array& a, int64_t dim) { return ops::scan_with_indices(ScanOp::max, a, dim); });
  def(m, "cummin",
      [](const Array& a, int64_t dim) { return ops::scan_with_indices(ScanOp::min, a, dim); });
}

}  // namespace lamina::bindings

#include "ops/embedding_bag.h"

#include "bindings/bindings.h"

namespace lamina::bindings {

void bind_embedding_bag(py::module_& m) {
  using kernels::BagMode;
  using Factors = std::optional<Array>;
  py::enum_<BagMode>(m, "BagMode")
      .value("sum", BagMode::sum)
      .value("mean", BagMode::mean)
      .value("max", BagMode::max);
  const auto pointer = [](const Factors& factors) { return factors ? &*factors : nullptr; };
  def(m, "embedding_bag",
      [=](const Array& table, const Array& index, const Array& offsets, const Factors& factors,
          BagMode mode, int64_t padding) {
        return ops::embedding_bag(table, {index, offsets, pointer(factors), mode, padding});
      });
  def(m, "embedding_bag_backward",
      [=](const Array& grad, const Array& winners, int64_t rows, const Array& index,
          const Array& offsets, const Factors& factors, BagMode mode, int64_t padding) {
        return ops::embedding_bag_backward(grad, winners, rows,
                                           {index, offsets, pointer(factors), mode, padding});
      });
  def(m, "embedding_bag_backward_factors",
      [=](const Array& grad, const Array& table, const Array& index, const Array& offsets,
          BagMode mode, int64_t padding) {
        return ops::embedding_bag_backward_factors(grad, table,
                                                   {index, offsets, nullptr, mode, padding});
      });
}

}  // namespace lamina::bindings

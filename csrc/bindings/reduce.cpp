#include "ops/reduce.h"

#include "bindings/bindings.h"

namespace lamina::bindings {
namespace {

using kernels::Reduce;
using DimsOrAll = std::optional<Dims>;

template <Reduce op>
void def_reduce(py::module_& m, const char* name) {  // name(a, dims, keepdim, dtype)
  def(m, name, [](const Array& a, const DimsOrAll& dims, bool keepdim, std::optional<DType> dtype) {
    return ops::reduce(op, a, {dims, keepdim, dtype, 0});
  });
}

template <Reduce op>
void def_parameter(py::module_& m, const char* name) {  // name(a, dims, keepdim, parameter)
  def(m, name, [](const Array& a, const DimsOrAll& dims, bool keepdim, double parameter) {
    return ops::reduce(op, a, {dims, keepdim, std::nullopt, parameter});
  });
}

template <Reduce op>
void def_pair(py::module_& m,
              const char* name) {  // name(a, dims, keepdim, parameter) -> two arrays
  def(m, name, [](const Array& a, const DimsOrAll& dims, bool keepdim, double parameter) {
    return ops::reduce_pair(op, a, {dims, keepdim, std::nullopt, parameter});
  });
}

}  // namespace

void bind_reduce(py::module_& m) {
  def_reduce<Reduce::sum>(m, "sum");
  def_reduce<Reduce::mean>(m, "mean");
  def_reduce<Reduce::prod>(m, "prod");
  def_reduce<Reduce::amax>(m, "amax");
  def_reduce<Reduce::amin>(m, "amin");
  def_reduce<Reduce::any>(m, "any");
  def_reduce<Reduce::all>(m, "all");
  def_reduce<Reduce::argmax>(m, "argmax");
  def_reduce<Reduce::argmin>(m, "argmin");
  def_reduce<Reduce::norm0>(m, "norm0");
  def_reduce<Reduce::norm1>(m, "norm1");
  def_reduce<Reduce::norm2>(m, "norm2");
  def_reduce<Reduce::norm_inf>(m, "norm_inf");
  def_reduce<Reduce::norm_neg_inf>(m, "norm_neg_inf");
  def_parameter<Reduce::norm_p>(m, "norm_p");
  def_parameter<Reduce::var>(m, "var");
  def_parameter<Reduce::std>(m, "std");
  def_pair<Reduce::var>(m, "var_mean");
  def_pair<Reduce::std>(m, "std_mean");
  def_pair<Reduce::max>(m, "max_dim");
  def_pair<Reduce::min>(m, "min_dim");
  def(m, "sum_to", &ops::sum_to);
}

}  // namespace lamina::bindings

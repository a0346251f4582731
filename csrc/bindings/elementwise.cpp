#include "ops/elementwise.h"

#include "bindings/bindings.h"

namespace lamina::bindings {
namespace {

using kernels::Binary;
using kernels::Ternary;
using kernels::Unary;
using ops::Operand;

// Each op as name(operands..., parameters...) -> Array and name_out(operands..., parameters...,
// out), which also serves ops in place.

void def_unary(py::module_& m, const char* name, Unary op) {
  def(m, name, [op](const Array& a) { return ops::unary(op, a); });
  def(m, (std::string(name) + "_out").c_str(),
      [op](const Array& a, const Array& out) { ops::unary(op, a, {}, &out); });
}

void def_unary_1(py::module_& m, const char* name, Unary op) {
  def(m, name, [op](const Array& a, double p) { return ops::unary(op, a, {{p}}); });
  def(m, (std::string(name) + "_out").c_str(),
      [op](const Array& a, double p, const Array& out) { ops::unary(op, a, {{p}}, &out); });
}

void def_unary_2(py::module_& m, const char* name, Unary op) {
  def(m, name, [op](const Array& a, double p, double q) { return ops::unary(op, a, {{p, q}}); });
  def(m, (std::string(name) + "_out").c_str(),
      [op](const Array& a, double p, double q, const Array& out) {
        ops::unary(op, a, {{p, q}}, &out);
      });
}

void def_unary_3(py::module_& m, const char* name, Unary op) {
  def(m, name, [op](const Array& a, double p, double q, double r) {
    return ops::unary(op, a, {{p, q, r}});
  });
  def(m, (std::string(name) + "_out").c_str(),
      [op](const Array& a, double p, double q, double r, const Array& out) {
        ops::unary(op, a, {{p, q, r}}, &out);
      });
}

void def_binary(py::module_& m, const char* name, Binary op) {
  def(m, name, [op](const Operand& a, const Operand& b) { return ops::binary(op, a, b); });
  def(m, (std::string(name) + "_out").c_str(),
      [op](const Operand& a, const Operand& b, const Array& out) {
        ops::binary(op, a, b, {}, &out);
      });
}

void def_gradient(py::module_& m, const char* name, Binary op) {  // (grad, saved, p, q)
  def(m, name, [op](const Array& grad, const Array& saved, double p, double q) {
    return ops::binary(op, {&grad}, {&saved}, {{p, q}});
  });
}

void def_scaled(py::module_& m, const char* name, Binary op) {  // (a, b, factor of b)
  def(m, name,
      [op](const Operand& a, const Operand& b, double p) { return ops::binary(op, a, b, {{p}}); });
  def(m, (std::string(name) + "_out").c_str(),
      [op](const Operand& a, const Operand& b, double p, const Array& out) {
        ops::binary(op, a, b, {{p}}, &out);
      });
}

void def_ternary(py::module_& m, const char* name, Ternary op) {  // (a, b, c, p)
  def(m, name, [op](const Operand& a, const Operand& b, const Operand& c, double p) {
    return ops::ternary(op, a, b, c, {{p}});
  });
  def(m, (std::string(name) + "_out").c_str(),
      [op](const Operand& a, const Operand& b, const Operand& c, double p, const Array& out) {
        ops::ternary(op, a, b, c, {{p}}, &out);
      });
}

}  // namespace

void bind_elementwise(py::module_& m) {
  for (int i = 0; i <= static_cast<int>(Unary::isfinite); ++i) {
    const auto op = static_cast<Unary>(i);
    def_unary(m, ops::name(op), op);
  }
  def_unary(m, "gelu", Unary::gelu);
  def_unary(m, "gelu_tanh", Unary::gelu_tanh);
  for (const Unary op : {Unary::silu, Unary::selu, Unary::log_sigmoid, Unary::mish,
                         Unary::hardsigmoid, Unary::hardswish})
    def_unary(m, ops::name(op), op);
  def_unary_3(m, "round_to", Unary::round_to);
  for (const Unary op : {Unary::polygamma, Unary::leaky_relu, Unary::elu, Unary::celu,
                         Unary::softshrink, Unary::hardshrink})
    def_unary_1(m, ops::name(op), op);
  def_unary_1(m, "power", Unary::power);
  def_unary_2(m, "threshold", Unary::threshold);
  def_unary_3(m, "nan_to_num", Unary::nan_to_num);
  def_unary_3(m, "softplus", Unary::softplus);
  def_unary_3(m, "clamp", Unary::clamp);

  for (int i = 0; i <= static_cast<int>(Binary::shift_right); ++i) {
    const auto op = static_cast<Binary>(i);
    def_binary(m, op == Binary::trunc_divide ? "trunc_divide" : ops::name(op), op);
  }
  for (int i = static_cast<int>(Binary::relu_backward);
       i <= static_cast<int>(Binary::threshold_backward); ++i) {
    const auto op = static_cast<Binary>(i);
    def_gradient(m, op == Binary::gelu_tanh_backward ? "gelu_tanh_backward" : ops::name(op), op);
  }

  def_scaled(m, "add_scaled", Binary::add_scaled);
  def_scaled(m, "sub_scaled", Binary::subtract_scaled);

  def_ternary(m, "where", Ternary::where);
  def_ternary(m, "clamp_between", Ternary::clamp);
  def_ternary(m, "lerp", Ternary::lerp);
  def_ternary(m, "addcmul", Ternary::addcmul);
  def_ternary(m, "addcdiv", Ternary::addcdiv);

  def(m, "cast", &ops::cast);
  def(m, "clone", &ops::clone);
  def(m, "owned", &ops::owned);
  def(m, "contiguous", &ops::contiguous);
  def(m, "channels_last", &ops::channels_last);
  def(m, "copy_to", [](const Array& dst, const Array& src) {
    ops::begin_write(dst, "copy_");
    ops::copy_to(dst, src);
  });
  def(m, "to_device", [](const Array& a, int device, bool wait) {
    return ops::to_device(a, device_from_code(device), wait);
  });
  def(m, "pinned", &ops::pinned);
  def(m, "fill", &ops::fill);
  m.def("result_type",
        [](const Operand& a, const Operand& b) { return ops::result_type({&a, &b}); });
  m.def("promote", &ops::promote);
  m.def("default_dtype", &ops::default_dtype);
  m.def("set_default_dtype", &ops::set_default_dtype);
}

}  // namespace lamina::bindings

#include "ops/dropout.h"

#include "bindings/bindings.h"
#include "bindings/generator.h"

namespace lamina::bindings {
namespace {

using kernels::Binary;
using kernels::Unary;

// name(x, a, b, p, key) and name_backward(grad, x, a, b, p, key); a, b: the activation's parameters.
void def_activated_dropout(py::module_& m, const std::string& activation, Unary f, Binary slope) {
  const std::string name = activation + "_dropout";
  def(m, name.c_str(), [f](const Array& x, double a, double b, double p, RandomKey key) {
    return ops::activated_dropout(f, x, {{a, b}}, p, {key.first, key.second});
  });
  def(m, (name + "_backward").c_str(),
      [slope](const Array& grad, const Array& x, double a, double b, double p, RandomKey key) {
        return ops::activated_dropout_backward(slope, grad, x, {{a, b}}, p,
                                               {key.first, key.second});
      });
}

}  // namespace

void bind_dropout(py::module_& m) {
  def(m, "dropout", [](const Array& x, double p, RandomKey key) {
    return ops::dropout(x, p, {key.first, key.second});
  });
  def_activated_dropout(m, "relu", Unary::relu, Binary::relu_backward);
  def_activated_dropout(m, "leaky_relu", Unary::leaky_relu, Binary::leaky_relu_backward);
  def_activated_dropout(m, "hardtanh", Unary::clamp, Binary::hardtanh_backward);
  def_activated_dropout(m, "gelu", Unary::gelu, Binary::gelu_backward);
  def_activated_dropout(m, "gelu_tanh", Unary::gelu_tanh, Binary::gelu_tanh_backward);
  def_activated_dropout(m, "silu", Unary::silu, Binary::silu_backward);
  def_activated_dropout(m, "mish", Unary::mish, Binary::mish_backward);
  def_activated_dropout(m, "hardswish", Unary::hardswish, Binary::hardswish_backward);
}

}  // namespace lamina::bindings

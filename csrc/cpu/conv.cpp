// Picks the algorithm of a convolution: the first of an ordered list that offers the pass, the
// plain reference last.
#include "cpu/conv_algorithms.h"
#include "cpu/conv_bias.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::ConvAlgorithm;
using kernels::ConvEpilogue;
using kernels::ConvPass;
using kernels::ConvShape;
using kernels::ConvTensor;

const ConvRoutines& routines(ConvAlgorithm algorithm, const ConvShape& s) {
  switch (algorithm) {
    case ConvAlgorithm::reference:
      return reference_conv;
    case ConvAlgorithm::depthwise:
      return depthwise_conv;
    case ConvAlgorithm::winograd:
      return s.kernel[1] == 3 && s.kernel[2] == 3 ? winograd_conv : line_conv;
    case ConvAlgorithm::fft:
      return fft_conv;
    case ConvAlgorithm::phases:
      return phases_conv;
    case ConvAlgorithm::small:
      return small_conv;
    default:
      return implicit_conv;
  }
}

ConvAlgorithm choice(ConvPass pass, const ConvShape& s, DType dtype) {
  constexpr ConvAlgorithm kPreferred[] = {ConvAlgorithm::fft,    ConvAlgorithm::depthwise,
                                          ConvAlgorithm::small,  ConvAlgorithm::winograd,
                                          ConvAlgorithm::phases, ConvAlgorithm::implicit};
  for (ConvAlgorithm a : kPreferred)
    if (routines(a, s).offers(pass, s, dtype) && routines(a, s).pays(pass, s, dtype)) return a;
  return ConvAlgorithm::reference;
}

const ConvRoutines& choose(ConvAlgorithm algorithm, ConvPass pass, const ConvShape& s,
                           DType dtype) {
  return routines(algorithm == ConvAlgorithm::automatic ? choice(pass, s, dtype) : algorithm, s);
}

bool offers(ConvAlgorithm algorithm, ConvPass pass, const ConvShape& s, DType dtype) {
  return choose(algorithm, pass, s, dtype).offers(pass, s, dtype);
}

void fprop(ConvAlgorithm algorithm, const ConvShape& s, DType dtype, const ConvTensor& x,
           const void* w, const ConvEpilogue& epilogue, const ConvTensor& y) {
  choose(algorithm, ConvPass::fprop, s, dtype).fprop(s, dtype, x, w, epilogue, y);
}

void dgrad(ConvAlgorithm algorithm, const ConvShape& s, DType dtype, const ConvTensor& dy,
           const void* w, const void* bias, const ConvTensor& dx) {
  choose(algorithm, ConvPass::dgrad, s, dtype).dgrad(s, dtype, dy, w, bias, dx);
}

void wgrad(ConvAlgorithm algorithm, const ConvShape& s, DType dtype, const ConvTensor& x,
           const ConvTensor& dy, void* dw) {
  choose(algorithm, ConvPass::wgrad, s, dtype).wgrad(s, dtype, x, dy, dw);
}

void bias_grad(const ConvShape& s, DType dtype, const ConvTensor& dy, void* db) {
  visit_real(dtype, [&](auto of) {
    using T = decltype(of);
    conv_bias_grad(s, dy, static_cast<T*>(db));
  });
}

}  // namespace

LAMINA_CPU_KERNELS(Conv, conv){&choice, &offers, &fprop, &dgrad, &wgrad, &bias_grad};

}  // namespace lamina::cpu::LAMINA_ISA

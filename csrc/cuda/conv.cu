// Picks the algorithm of a convolution: the first of an ordered list that offers the pass, the
// plain reference last.  It has no kernel: what bounds a pass stands with each algorithm.  A bias's
// gradient is one reading of dy, by reduce.cu.  Compiled and emulated, not yet run on a device.
#include "core/check.h"
#include "cuda/conv_algorithms.h"
#include "kernels/reduce.h"
#include "kernels/registry.h"

namespace lamina::cuda {

extern const kernels::Reducers reduce;

namespace {

using kernels::ConvAlgorithm;
using kernels::ConvEpilogue;
using kernels::ConvPass;
using kernels::ConvShape;
using kernels::ConvTensor;
using kernels::kConvDims;

const ConvRoutines& routines(ConvAlgorithm algorithm) {
  const char* missing = nullptr;
  switch (algorithm) {
    case ConvAlgorithm::winograd:
      missing = "winograd";
      break;
    case ConvAlgorithm::fft:
      missing = "fft";
      break;
    case ConvAlgorithm::phases:
      missing = "phases";
      break;
    case ConvAlgorithm::small:
      missing = "small";
      break;
    case ConvAlgorithm::reference:
      return reference_conv;
    case ConvAlgorithm::depthwise:
      return depthwise_conv;
    default:
      return implicit_conv;
  }
  fail<NotImplementedError>("[conv.", missing,
                            "] has no kernel on cuda; choose \"automatic\", or move the tensors "
                            "with .cpu()");
}

ConvAlgorithm choice(ConvPass pass, const ConvShape& s, DType dtype) {
  constexpr ConvAlgorithm kPreferred[] = {ConvAlgorithm::depthwise, ConvAlgorithm::implicit};
  for (ConvAlgorithm a : kPreferred)
    if (routines(a).offers(pass, s, dtype) && routines(a).pays(pass, s, dtype)) return a;
  return ConvAlgorithm::reference;
}

// Devices have no cost model yet.
kernels::ConvWork work(ConvAlgorithm, ConvPass, const ConvShape&, DType) { return {{}, NAN}; }

const ConvRoutines& choose(ConvAlgorithm algorithm, ConvPass pass, const ConvShape& s,
                           DType dtype) {
  return routines(algorithm == ConvAlgorithm::automatic ? choice(pass, s, dtype) : algorithm);
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

bool leaves_moments(ConvAlgorithm algorithm, const ConvShape& s, DType dtype) {
  return &choose(algorithm, ConvPass::fprop, s, dtype) == &implicit_conv;
}

// A sum over every dimension but the channels: the reduction kernels'.
void bias_grad(const ConvShape& s, DType dtype, const ConvTensor& dy, void* db) {
  kernels::Reduction r{};
  r.in = dy.data;
  r.out = db;
  r.in_dtype = r.out_dtype = dtype;
  r.compute = dtype == DType::float64 ? DType::float64 : DType::float32;
  if (s.k > 1) {
    r.kept = 1;
    r.kept_shape[0] = s.k;
    r.kept_in[0] = dy.stride[1];
    r.kept_out[0] = 1;
  }
  const int64_t sizes[] = {s.n, s.out[0], s.out[1], s.out[2]};
  const int64_t strides[] = {dy.stride[0], dy.stride[2], dy.stride[3], dy.stride[4]};
  for (int d = 0; d < 1 + kConvDims; ++d) {
    if (sizes[d] == 1) continue;
    int64_t* inner = r.reduced ? &r.reduced_in[r.reduced - 1] : nullptr;
    if (inner && *inner == sizes[d] * strides[d]) {  // the last one and this lie together
      r.reduced_shape[r.reduced - 1] *= sizes[d];
      *inner = strides[d];
      continue;
    }
    r.reduced_shape[r.reduced] = sizes[d];
    r.reduced_in[r.reduced++] = strides[d];
  }
  reduce.reduce(kernels::Reduce::sum, r);
}

}  // namespace

LAMINA_CUDA_KERNELS(Conv, conv){&choice, &offers, &work,      &fprop,
                                &dgrad,  &wgrad,  &bias_grad, &leaves_moments};

}  // namespace lamina::cuda

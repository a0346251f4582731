// Implicit GEMM, each dtype on the units that it is for.
//
// Strict float32 is bound by FLOPs where a tile of 128 x 128 is full: 0.5 MFLOP for 16 KB of
// operands, 32 FLOP a byte from L2, against 60 TFLOP/s of FFMA and some 5.5 TB/s of L2.  A 3 x 3
// layer of 64 channels on 32 images of 56 x 56 is 7.4 GFLOP, at least 0.12 ms a pass; its
// activations, 51 MB, take 12 us at the 4.3 TB/s that an H200 copies.  Compiled and emulated, not
// yet run on a device.
#include "core/cuda.h"
#include "cuda/conv_algorithms.h"
#include "cuda/conv_implicit.h"
#include "cuda/conv_tensor.h"
#include "cuda/gemm_simt.h"

namespace lamina::cuda {
namespace {

using kernels::ConvEpilogue;
using kernels::ConvPass;
using kernels::ConvShape;
using kernels::ConvTensor;

// f(ImplicitConv of the dtype).
template <class F>
void visit_conv(DType dtype, F f) {
  switch (dtype) {
    case DType::float64:
      return f(ImplicitConv<SimtCores, double>());
    case DType::bfloat16:
      return f(ImplicitConv<MmaCores, bfloat16>());
    case DType::float16:
      return f(ImplicitConv<MmaCores, float16>());
    default:
      if (conv_allows_tf32) return f(ImplicitConv<MmaCores, float>());
      return f(ImplicitConv<SimtCores, float>());
  }
}

void fprop(const ConvShape& s, DType dtype, const ConvTensor& x, const void* w,
           const ConvEpilogue& epilogue, const ConvTensor& y) {
  visit_conv(dtype, [&](auto conv) { conv.fprop(s, x, w, epilogue, y); });
}

void dgrad(const ConvShape& s, DType dtype, const ConvTensor& dy, const void* w, const void* bias,
           const ConvTensor& dx) {
  visit_conv(dtype, [&](auto conv) { conv.dgrad(s, dy, w, bias, dx); });
}

void wgrad(const ConvShape& s, DType dtype, const ConvTensor& x, const ConvTensor& dy, void* dw) {
  visit_conv(dtype, [&](auto conv) { conv.wgrad(s, x, dy, dw); });
}

bool offers(ConvPass pass, const ConvShape& s, DType) {
  const int64_t most = s.c > s.k ? s.c : s.k;
  return places_fit(s, pass, most / s.groups);
}

bool pays(ConvPass, const ConvShape&, DType) { return true; }

}  // namespace

constinit const ConvRoutines implicit_conv{&offers, &pays, &fprop, &dgrad, &wgrad};

}  // namespace lamina::cuda

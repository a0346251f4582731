// The algorithms that conv.cpp chooses from.  Each has its own file and ends in one table.
#pragma once

#include "cpu/vec.h"
#include "kernels/conv.h"

namespace lamina::cpu::LAMINA_ISA {

struct ConvRoutines {
  bool (*offers)(kernels::ConvPass pass, const kernels::ConvShape& shape, DType dtype);
  // Counts the work of a pass that it offers (conv_work.h); false where it isn't worth a thought.
  bool (*count)(kernels::ConvPass pass, const kernels::ConvShape& shape, DType dtype,
                double (&units)[kernels::kConvUnits]);
  const double (*costs)[kernels::kConvUnits];  // nanoseconds a unit, by pass
  void (*fprop)(const kernels::ConvShape& shape, DType dtype, const kernels::ConvTensor& x,
                const void* w, const kernels::ConvEpilogue& epilogue, const kernels::ConvTensor& y);
  void (*dgrad)(const kernels::ConvShape& shape, DType dtype, const kernels::ConvTensor& dy,
                const void* w, const void* bias, const kernels::ConvTensor& dx);
  void (*wgrad)(const kernels::ConvShape& shape, DType dtype, const kernels::ConvTensor& x,
                const kernels::ConvTensor& dy, void* dw);
  int kept_unit = -1;  // what fprop does not do again where its weights are kept; -1: does all
};

extern const ConvRoutines reference_conv, implicit_conv, depthwise_conv, winograd_conv, line_conv,
    fft_conv, phases_conv, small_conv;

}  // namespace lamina::cpu::LAMINA_ISA

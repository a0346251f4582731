// Implicit GEMM of float16 on Hopper's tensor cores; conv_hopper.h says what bounds it.
#include "cuda/conv_hopper.h"

namespace lamina::cuda {

template bool launch_windows_on_hopper(WindowProblem<float16>&, const PackedWeights&, int64_t,
                                       int64_t, int64_t&);
template bool launch_weights_on_hopper(const WeightProblem<float16>&, int64_t, int64_t, int64_t,
                                       int64_t);

}  // namespace lamina::cuda

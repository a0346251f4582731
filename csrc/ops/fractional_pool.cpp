#include "ops/fractional_pool.h"

#include <string>

#include "kernels/fractional_pool.h"
#include "kernels/registry.h"
#include "ops/elementwise.h"

namespace lamina::ops {

using kernels::FractionalPool;
using kernels::FractionalPoolShape;
using kernels::kFractionalDims;

Array fractional_max_pool_indices(const Array& x, const Array& draws, const Dims& kernel,
                                  const Dims& out) {
  const int rank = kernel.size();
  const std::string op = "fractional_max_pool" + std::to_string(rank) + "d";
  check(rank == 2 || rank == 3, "[", op, "] expected 2 or 3 spatial dimensions");
  check(x.rank() == rank + 2, "[", op, "] expected an input of ", rank + 1, " or ", rank + 2,
        " dimensions, got shape ", x.shape());
  check<TypeError>(x.dtype() == DType::float32 || x.dtype() == DType::float64, "[", op,
                   "] expected float32 or float64, got ", name(x.dtype()));
  check<TypeError>(draws.dtype() == x.dtype(), "[", op, "] expected random samples of ",
                   name(x.dtype()), ", got ", name(draws.dtype()));
  const Dims samples{x.size(0), x.size(1), rank};
  check(draws.shape() == samples, "[", op, "] expected random samples of shape ", samples, ", got ",
        draws.shape());

  FractionalPoolShape s;
  s.dtype = x.dtype();
  s.rank = rank;
  s.planes = x.size(0) * x.size(1);
  Dims shape{x.size(0), x.size(1)};
  for (int i = 0; i < kFractionalDims; ++i) {
    const int d = i - (kFractionalDims - rank);
    s.in[i] = d < 0 ? 1 : x.size(2 + d);
    s.kernel[i] = d < 0 ? 1 : kernel[d];
    s.out[i] = d < 0 ? 1 : out[d];
    if (d < 0) continue;
    const int64_t slack =
        rank == 2 ? 0 : 1;  // in three dimensions torch wants one position to spare
    check(kernel[d] >= 1 && out[d] >= 1 && kernel[d] <= s.in[i] && out[d] <= s.in[i] &&
              out[d] + kernel[d] - 1 <= s.in[i] - slack,
          "[", op, "] expected kernel_size and output_size of at least 1 with output_size + ",
          "kernel_size - 1 ", slack ? "below" : "within", " the input, got kernel_size ", kernel,
          " and output_size ", out, " for shape ", x.shape());
    shape.push_back(out[d]);
  }
  const Array index = Array::empty(shape, DType::int64, x.device(), op.c_str());
  if (index.numel() == 0) return index;
  const Array in = contiguous(x), starts = contiguous(draws);
  kernels::on<FractionalPool>(x.device()).winners(s, in.raw(), starts.raw(), index.data<int64_t>());
  return index;
}

}  // namespace lamina::ops

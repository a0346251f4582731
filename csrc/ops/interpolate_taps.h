// The taps of interpolation along one dimension: which inputs an output takes, by which weights.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/interpolate.h"

namespace lamina::ops {

struct Taps {
  int64_t in, out;
  int taps = 1;
  std::vector<int32_t> count, index;  // (out,), (out, taps)
  std::vector<double> weight;         // (out, taps)
};

// T: what positions are computed in, float or double: torch takes the tensor's own dtype.
// scale: output / input as the caller gave it, or 0.
template <class T>
Taps make_taps(int64_t in, int64_t out, double scale, const InterpolateOptions& options);

Taps transposed(const Taps& taps);  // for each input, the outputs that take it

}  // namespace lamina::ops

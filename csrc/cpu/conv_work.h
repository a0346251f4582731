// What algorithms count to say how long a pass would take: each has units of a few kinds of its own,
// whose prices (conv_costs.h) benchmarks/conv_costs.py fits to measured times.
//
// Counts are of whole vectors and tiles, as kernels run them, and of activations as layers lay them
// out.  In double: shapes may be absurd.
#pragma once

#include "cpu/conv_costs.h"
#include "cpu/conv_taps.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::ConvPass;
using ConvUnits = double[kernels::kConvUnits];

inline constexpr double kInLanes = 16;  // channels from which on those of a pixel lie together

LAMINA_INLINE double whole(double count, double size) { return __builtin_ceil(count / size); }

// A pass as a sum over taps that reads some channels and makes others; the weight gradient reads
// both.  A strided dgrad is one such sum for each residue; `grid` is the size of the largest.
struct PassCount {
  double lanes, taps, groups;
  double read, made;                // channels of a group
  double grid[kConvDims], images;   // positions of one sum
  double read_pixels, made_pixels;  // of all images

  PassCount(ConvPass pass, const ConvShape& s, DType dtype) {
    const bool dgrad = pass == ConvPass::dgrad;
    lanes = visit_real(dtype, [](auto of) { return double{kLanes<decltype(of)>}; });
    groups = static_cast<double>(s.groups);
    read = static_cast<double>(dgrad ? s.k : s.c) / groups;
    made = static_cast<double>(dgrad ? s.c : s.k) / groups;
    images = read_pixels = made_pixels = static_cast<double>(s.n);
    taps = 1;
    for (int d = 0; d < kConvDims; ++d) {
      const double in = static_cast<double>(s.in[d]), out = static_cast<double>(s.out[d]);
      grid[d] = dgrad ? whole(in, static_cast<double>(s.stride[d])) : out;
      taps *= static_cast<double>(s.kernel[d]);
      read_pixels *= dgrad ? out : in;
      made_pixels *= dgrad ? in : out;
    }
  }

  double rows() const { return images * grid[0] * grid[1]; }
  double positions() const { return rows() * grid[2]; }
  double read_vectors() const { return whole(read, lanes); }
  double made_vectors() const { return whole(made, lanes); }
  double panels() const { return whole(made, 2 * lanes); }

  // Vectors of a channels-last activation, elements of one that lies plane by plane.
  double moved(double pixels, double channels) const {
    return pixels * (channels < kInLanes ? channels : whole(channels, lanes));
  }
  double reads() const { return moved(read_pixels, read * groups); }
  double writes() const { return moved(made_pixels, made * groups); }

  // Elements of activations that must be copied to have the channels of a pixel lie together.
  double copied_in() const { return read < kInLanes ? read_pixels * read : 0; }
  double copied_out() const { return made < kInLanes ? made_pixels * made : 0; }
};

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

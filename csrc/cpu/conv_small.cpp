// Convolutions with few channels, where vectors of 16 output channels would be mostly empty.
//
// Few outputs from many inputs (the input gradient of a stem): conv_small_dot.h.  Few of both
// (LeNet's first layer): conv_small_planar.h and, for the weight gradient, conv_small_grad.h.  Many
// small images of few channels (its second layer): conv_small_images.h.
//
// Bound by multiply-adds, and by memory where an image has few channels on both sides.  On one Zen 5
// core, share of the multiply-adds' peak, beside the implicit matrix product's: the input gradient
// of a 7x7 stem at 224x224 62 % (16), of 3 -> 64 at 32x32 53 % (15), of LeNet's second layer on 64
// images 62 % (14), forward 77 % (62); LeNet's first layer forward 59 % (10), its weight gradient 46 %
// (12).
#include "cpu/conv_algorithms.h"
#include "cpu/conv_small_dot.h"
#include "cpu/conv_small_grad.h"
#include "cpu/conv_small_images.h"
#include "cpu/conv_small_planar.h"
#include "cpu/conv_work.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// The share of a vector's lanes that `count` items along it fill.
template <class T>
double filled(int64_t count) {
  return static_cast<double>(count) / static_cast<double>(ceil_div(count, kLanes<T>) * kLanes<T>);
}

bool offers(ConvPass, const ConvShape& s, DType) { return s.groups == 1 && boxes_fit(s); }

// Whether many inputs make few outputs: then vectors run over the inputs, else over the width.
template <class T>
bool takes_dot(int64_t inputs, int64_t outputs, int64_t width) {
  return outputs <= kMaxDotOutputs && inputs > kLanes<T> / 2 &&
         filled<T>(inputs) > 0.75 * filled<T>(width);
}

// How often the planar kernels pack an input: boxes of many channels have few positions.
double planar_halo(const PassCount& a, const ConvShape& s) {
  if (a.read < kInLanes) return 1;
  const double step = static_cast<double>(s.stride[1]) * static_cast<double>(s.stride[2]);
  const double fit =
      static_cast<double>(kPlanarBoxBytes) * a.lanes / kVectorBytes / (a.read * step);
  const double side = fit > 1 ? __builtin_sqrt(fit) : 1;
  double halo = 1;
  for (int d = 1; d < kConvDims; ++d)
    halo *= 1 + static_cast<double>(s.kernel[d] - 1) * static_cast<double>(s.dilation[d]) / side;
  return halo;
}

// Taps that meet an input, over all positions of a dimension.
double taps_met(const ConvShape& s, int d) {
  int64_t met = 0;
  for (int64_t t = 0; t < s.kernel[d]; ++t) {
    const int64_t offset = t * s.dilation[d] - s.pad[d];
    const int64_t first = offset < 0 ? ceil_div(-offset, s.stride[d]) : 0;
    const int64_t last = offset < s.in[d] ? ceil_div(s.in[d] - offset, s.stride[d]) : 0;
    met += clamp((last < s.out[d] ? last : s.out[d]) - first, 0, s.out[d]);
  }
  return static_cast<double>(met);
}

// Products a channel in and out of the dot kernel, which leaves out those with padding where several
// images fit into its box (DotPass::by_image).
double dot_products(const PassCount& a, const ConvShape& s, int places) {
  const double all = a.positions() * a.taps;
  const double met = a.images * taps_met(s, 0) * taps_met(s, 1) * taps_met(s, 2);
  const double bytes = a.read_pixels * a.read_vectors() * kVectorBytes / a.images;  // an image's
  const bool by_image = a.images >= places && 2 * places * bytes <= kDotBoxBytes;
  return by_image && met < (1 - kMostPadding) * all ? met : all;
}

// Counts of a call; of the dot kernel multiply-adds, sums of a vector's lanes and what is packed; of
// the planar ones multiply-adds, vectors of rows, and elements gathered from and scattered to other
// layouts; of those whose lanes are images vectors of rows for those transposed, and multiply-adds.

void count_dot(const PassCount& a, const ConvShape& s, DType dtype, ConvUnits& units) {
  const int places = visit_real(
      dtype, [&](auto of) { return kDotTiles<decltype(of)>[static_cast<int>(a.made) - 1].places; });
  units[1] = dot_products(a, s, places) * a.read_vectors() * a.made;
  units[2] = a.made_pixels * a.made;
  units[3] = a.reads();
}

void count_planar(ConvPass pass, const PassCount& a, const ConvShape& s, ConvUnits& units) {
  const double vectors = a.rows() * whole(a.grid[2], a.lanes);
  const double in = a.read_pixels * a.read * planar_halo(a, s), out = a.made_pixels * a.made;
  const bool wide = a.grid[2] >= a.lanes;  // shorter rows go element by element
  const bool rows_in = wide && a.read < kInLanes && s.stride[2] == 1;
  const bool rows_out = wide && a.made < kInLanes;
  // A vector of x lies across two lines: a single output waits for its loads.
  units[4] = vectors * a.taps * a.read * (a.made < 2 ? 2 : a.made);
  units[5] = (rows_in ? in / a.lanes : 0) + (rows_out ? out / a.lanes : 0);
  units[6] = rows_in ? 0 : in;
  units[7] = rows_out ? 0 : out;
  if (pass == ConvPass::wgrad) units[1] = a.taps * a.read * a.made;
}

// A vector of a square that is transposed, in those of rows: 4 shuffles besides its load and store.
constexpr double kTransposed = 3;

void count_images(const PassCount& a, const ConvShape& s, ConvUnits& units) {
  const double half = kImagePlaces / 2 * a.lanes, filled = whole(a.images, half) * half;
  const double elements = a.read_pixels * a.read + a.made_pixels * a.made;
  units[5] = kTransposed * filled / a.images / a.lanes * elements;
  units[8] = filled / a.lanes * a.read * a.made * taps_met(s, 0) * taps_met(s, 1) * taps_met(s, 2);
}

// Whether a row of positions meets no more packed rows of x than stay in L2, and makes whole runs.
bool images_fit(ConvPass pass, const PassCount& a, const ConvShape& s) {
  const bool dgrad = pass == ConvPass::dgrad;
  const double width = static_cast<double>(dgrad ? s.out[2] : s.in[2]);
  const double rows = static_cast<double>((s.kernel[1] - 1) * s.dilation[1] + 1);
  const bool runs = !dgrad || a.made >= kInLanes || residues(s) == 1;
  return runs && rows * width * a.read * kImagePlaces * kVectorBytes <= kImageRowsBytes;
}

double priced(ConvPass pass, const ConvUnits& units) {
  double sum = 0;
  for (int i = 0; i < kernels::kConvUnits; ++i)
    sum += kSmallCosts[static_cast<int>(pass)][i] * units[i];
  return sum;
}

enum class SmallKernel { dot, planar, images };

// The kernel of a pass, and what it counts.
SmallKernel small_kernel(ConvPass pass, const ConvShape& s, DType dtype, ConvUnits& units) {
  const PassCount a(pass, s, dtype);
  units[0] = 1;
  const bool dot = visit_real(dtype, [&](auto of) {
    return pass != ConvPass::wgrad &&
           takes_dot<decltype(of)>(static_cast<int64_t>(a.read), static_cast<int64_t>(a.made),
                                   static_cast<int64_t>(a.grid[2]));
  });
  if (dot)
    count_dot(a, s, dtype, units);
  else
    count_planar(pass, a, s, units);
  if (pass != ConvPass::wgrad && images_fit(pass, a, s)) {
    ConvUnits of_images{1};
    count_images(a, s, of_images);
    if (priced(pass, of_images) < priced(pass, units)) {
      for (int i = 0; i < kernels::kConvUnits; ++i) units[i] = of_images[i];
      return SmallKernel::images;
    }
  }
  return dot ? SmallKernel::dot : SmallKernel::planar;
}

bool count(ConvPass pass, const ConvShape& s, DType dtype, ConvUnits& units) {
  small_kernel(pass, s, dtype, units);
  return true;
}

template <class T>
void run_sums(ConvPass pass, const TapSum* sums, int64_t count, const ConvShape& s, const T* w,
              int64_t stride_k, int64_t stride_c, const T* x, const T* bias, T* y,
              const Epilogue<T>& epilogue) {
  ConvUnits units{};
  switch (small_kernel(pass, s, dtype_of<T>, units)) {
    case SmallKernel::dot:
      return run_dot_sums(sums, count, s, w, stride_k, stride_c, x, bias, y, epilogue);
    case SmallKernel::images:
      return run_image_sums(sums, count, s, w, stride_k, stride_c, x, bias, y, epilogue);
    case SmallKernel::planar:
      for (int64_t i = 0; i < count; ++i)
        run_planar_sum(sums[i], s, w, stride_k, stride_c, x, bias, y, epilogue);
  }
}

int64_t kernel_taps(const ConvShape& s) { return s.kernel[0] * s.kernel[1] * s.kernel[2]; }

void fprop(const ConvShape& s, DType dtype, const ConvTensor& x, const void* w,
           const kernels::ConvEpilogue& epilogue, const ConvTensor& y) {
  visit_real(dtype, [&](auto of) {
    using T = decltype(of);
    const TapSum sum = fprop_sum(s, x, y);
    const int64_t taps = kernel_taps(s);
    run_sums(ConvPass::fprop, &sum, 1, s, static_cast<const T*>(w), sum.c * taps, taps,
             static_cast<const T*>(x.data), static_cast<const T*>(epilogue.bias),
             static_cast<T*>(y.data), Epilogue<T>(epilogue, y.data));
  });
}

void dgrad(const ConvShape& s, DType dtype, const ConvTensor& dy, const void* w, const void* bias,
           const ConvTensor& dx) {
  visit_real(dtype, [&](auto of) {
    using T = decltype(of);
    const int64_t taps = kernel_taps(s), count = residues(s);
    Scratch sums(count * sizeof(TapSum));
    TapSum* sum = sums.as<TapSum>();
    for (int64_t i = 0; i < count; ++i) sum[i] = dgrad_sum(s, dy, dx, i);
    run_sums(ConvPass::dgrad, sum, count, s, static_cast<const T*>(w), taps, sum[0].k * taps,
             static_cast<const T*>(dy.data), static_cast<const T*>(bias), static_cast<T*>(dx.data),
             Epilogue<T>{});
  });
}

void wgrad(const ConvShape& s, DType dtype, const ConvTensor& x, const ConvTensor& dy, void* dw) {
  visit_real(dtype, [&](auto of) {
    using T = decltype(of);
    small_wgrad(fprop_sum(s, x, dy), static_cast<const T*>(x.data), static_cast<const T*>(dy.data),
                static_cast<T*>(dw));
  });
}

}  // namespace

constinit const ConvRoutines small_conv{&offers, &count, kSmallCosts, &fprop, &dgrad, &wgrad};

}  // namespace lamina::cpu::LAMINA_ISA

// Picks the algorithm of a convolution: the one of least predicted time among those that offer the
// pass, the plain reference where none does.
//
// A prediction is an algorithm's count of its work times prices that were measured for this
// instruction set on one core (conv_work.h, conv_costs.h): a function of the shape alone, so that any
// number of threads computes the same bits.
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
      return s.kernel[1] == 1 || s.kernel[2] == 1 ? line_conv : winograd_conv;
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

// `kept`: of a call whose weights are kept from earlier ones.
kernels::ConvWork work_of(ConvAlgorithm algorithm, ConvPass pass, const ConvShape& s, DType dtype,
                          bool kept) {
  const ConvRoutines& r = routines(algorithm, s);
  kernels::ConvWork result{};
  if (!r.costs || !r.count(pass, s, dtype, result.units)) {
    result.seconds = HUGE_VAL;
    return result;
  }
  if (kept && r.kept_unit >= 0) result.units[r.kept_unit] = 0;
  const double* price = r.costs[static_cast<int>(pass)];
  for (int i = 0; i < kernels::kConvUnits; ++i) result.seconds += 1e-9 * price[i] * result.units[i];
  return result;
}

kernels::ConvWork work(ConvAlgorithm algorithm, ConvPass pass, const ConvShape& s, DType dtype) {
  return work_of(algorithm, pass, s, dtype, false);
}

ConvAlgorithm least_predicted(ConvPass pass, const ConvShape& s, DType dtype, bool kept) {
  constexpr ConvAlgorithm kConsidered[] = {ConvAlgorithm::implicit, ConvAlgorithm::depthwise,
                                           ConvAlgorithm::winograd, ConvAlgorithm::fft,
                                           ConvAlgorithm::phases,   ConvAlgorithm::small};
  ConvAlgorithm best = ConvAlgorithm::reference;
  double least = HUGE_VAL;
  for (ConvAlgorithm a : kConsidered) {
    if (!routines(a, s).offers(pass, s, dtype)) continue;
    const double seconds = work_of(a, pass, s, dtype, kept).seconds;
    if (seconds < least) {
      least = seconds;
      best = a;
    }
  }
  return best;
}

// A thread's last choices, by a hash of what they depend on.
struct Choice {
  ConvShape shape;
  ConvPass pass;
  DType dtype;
  bool kept;
  ConvAlgorithm algorithm;  // automatic: none yet
};
constexpr int kChoices = 64;
thread_local Choice recent[kChoices];

ConvAlgorithm known_choice(ConvPass pass, const ConvShape& s, DType dtype, bool kept) {
  uint64_t numbers[sizeof(ConvShape) / sizeof(uint64_t)];
  __builtin_memcpy(numbers, &s, sizeof(s));
  uint64_t hash = static_cast<uint64_t>(pass) * 4 + (dtype == DType::float64) * 2 + kept;
  for (const uint64_t number : numbers) hash = (hash ^ number) * 0x9E3779B97F4A7C15u;
  Choice& known = recent[hash / (UINT64_MAX / kChoices + 1)];
  const bool same = known.algorithm != ConvAlgorithm::automatic && known.pass == pass &&
                    known.dtype == dtype && known.kept == kept &&
                    __builtin_memcmp(&known.shape, &s, sizeof(s)) == 0;
  if (!same) known = {s, pass, dtype, kept, least_predicted(pass, s, dtype, kept)};
  return known.algorithm;
}

ConvAlgorithm choice(ConvPass pass, const ConvShape& s, DType dtype) {
  return known_choice(pass, s, dtype, false);
}

const ConvRoutines& choose(ConvAlgorithm algorithm, ConvPass pass, const ConvShape& s, DType dtype,
                           bool kept = false) {
  const bool automatic = algorithm == ConvAlgorithm::automatic;
  return routines(automatic ? known_choice(pass, s, dtype, kept) : algorithm, s);
}

bool offers(ConvAlgorithm algorithm, ConvPass pass, const ConvShape& s, DType dtype) {
  return algorithm == ConvAlgorithm::automatic || routines(algorithm, s).offers(pass, s, dtype);
}

void fprop(ConvAlgorithm algorithm, const ConvShape& s, DType dtype, const ConvTensor& x,
           const void* w, const ConvEpilogue& epilogue, const ConvTensor& y) {
  choose(algorithm, ConvPass::fprop, s, dtype, epilogue.kept).fprop(s, dtype, x, w, epilogue, y);
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

// No algorithm takes statistics on its way out.
bool leaves_moments(ConvAlgorithm, const ConvShape&, DType) { return false; }

}  // namespace

LAMINA_CPU_KERNELS(Conv, conv){&choice, &offers, &work,      &fprop,
                               &dgrad,  &wgrad,  &bias_grad, &leaves_moments};

}  // namespace lamina::cpu::LAMINA_ISA

// Gamma, Poisson and binomial draws, as many elements at once as a register has 64-bit lanes; a step
// of a rejection sampler repeats until all its lanes have accepted.  In double.
// The samplers are in kernels/variates.inc.
//
// Bound by arithmetic: one attempt, of which 1.0 to 1.2 are needed, is two Philox blocks and two to
// six logarithms.
#include "kernels/variates.h"

#include "core/parallel.h"
#include "cpu/philox.h"
#include "cpu/random_math.h"
#include "cpu/special_math.h"
#include "cpu/variate_grad.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::Draws;
using Mask = decltype(F64{} < F64{});

constexpr int64_t kGrain = 1024;

LAMINA_INLINE bool any(Mask m) {
  int64_t all = 0;
  for (int i = 0; i < kBlocks; ++i) all |= m[i];
  return all != 0;
}

using math::floor;

// Four uniform draws of (0, 1] for each of the elements from `first` on.
struct Uniforms {
  PhiloxLanes first, second;

  LAMINA_INLINE Uniforms(PhiloxKey key, int64_t element, uint64_t attempt)
      : first(philox_lanes(key, static_cast<uint64_t>(element) + (attempt << 41))),
        second(philox_lanes(
            key, static_cast<uint64_t>(element) + (attempt << 41) + (uint64_t{1} << 40))) {}
};

#include "kernels/variates.inc"

// out[i] = step(key, i, a[i], b[i]) for all elements, a register of them at a time.
template <class T, class Step>
bool draw(const Draws& d, Step step) {
  int invalid = 0;
  parallel_for(d.n, kGrain, [&](int64_t begin, int64_t end) {
    const T* a = static_cast<const T*>(d.a);
    const T* b = static_cast<const T*>(d.b);
    T* out = static_cast<T*>(d.out);
    bool bad = false;
    for (int64_t i = begin; i < end; i += kBlocks) {
      const int64_t count = end - i < kBlocks ? end - i : kBlocks;
      F64 first = F64{} + 1, second = F64{} + 0.5;
      for (int64_t j = 0; j < count; ++j) {
        first[j] = static_cast<double>(a[i + j]);
        if (b) second[j] = static_cast<double>(b[i + j]);
      }
      const F64 drawn = step(d.key, i, first, second);
      for (int64_t j = 0; j < count; ++j) {
        out[i + j] = static_cast<T>(drawn[j]);
        bad |= !(drawn[j] >= 0);
      }
    }
    if (bad) __atomic_store_n(&invalid, 1, __ATOMIC_RELAXED);
  });
  return invalid == 0;
}

template <class Step>
LAMINA_INLINE bool draw_all(const Draws& d, Step step) {
  return d.dtype == DType::float64 ? draw<double>(d, step) : draw<float>(d, step);
}

bool gamma_draws(const Draws& d) {
  return draw_all(d,
                  [](PhiloxKey key, int64_t i, F64 a, F64 b) { return gamma_step(key, i, a, b); });
}

bool poisson_draws(const Draws& d) {
  return draw_all(
      d, [](PhiloxKey key, int64_t i, F64 a, F64 b) { return poisson_step(key, i, a, b); });
}

bool binomial_draws(const Draws& d) {
  return draw_all(
      d, [](PhiloxKey key, int64_t i, F64 a, F64 b) { return binomial_step(key, i, a, b); });
}

void gamma_grads(const Draws& d) {
  draw_all(d, [](PhiloxKey, int64_t, F64 a, F64 b) { return gamma_gradient(a, b); });
}

}  // namespace

LAMINA_CPU_KERNELS(Variates, variates){&gamma_draws, &poisson_draws, &binomial_draws, &gamma_grads};

}  // namespace lamina::cpu::LAMINA_ISA

// Gamma, Poisson and binomial draws, as many elements at once as a register has 64-bit lanes; a step
// of a rejection sampler repeats until all its lanes have accepted.  In double.
//
// gamma     Marsaglia and Tsang, "A simple method for generating gamma variables", 2000; a shape
//           below 1 through shape + 1 and a power of a uniform draw.
// poisson   Hörmann's PTRS ("The transformed rejection method for generating Poisson random
//           variables", 1993) from rate 10 on, below by inversion of the distribution function.
// binomial  Hörmann's BTRS ("The generation of binomial random variates", 1993) where
//           n min(p, 1 - p) >= 10, below by inversion.
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
constexpr double kInversionBelow = 10;

LAMINA_INLINE bool any(Mask m) {
  int64_t all = 0;
  for (int i = 0; i < kBlocks; ++i) all |= m[i];
  return all != 0;
}

LAMINA_INLINE F64 floor(F64 x) {
  for (int i = 0; i < kBlocks; ++i) x[i] = scalar::floor(x[i]);
  return x;
}

// Four uniform draws of (0, 1] for each of the elements from `first` on.
struct Uniforms {
  PhiloxLanes first, second;

  LAMINA_INLINE Uniforms(PhiloxKey key, int64_t element, uint64_t attempt)
      : first(philox_lanes(key, static_cast<uint64_t>(element) + (attempt << 41))),
        second(philox_lanes(
            key, static_cast<uint64_t>(element) + (attempt << 41) + (uint64_t{1} << 40))) {}
};

LAMINA_INLINE F64 gamma_step(PhiloxKey key, int64_t element, F64 shape, F64) {
  const auto small = shape < 1;
  const F64 d = (small ? shape + 1 : shape) - 1.0 / 3, c = 1 / square_root(9 * d);
  Mask pending = (shape >= 0) & (shape < special::kInf);
  F64 result = shape, boost = F64{} + 1;
  for (uint64_t attempt = 0; any(pending); ++attempt) {
    const Uniforms u(key, element, attempt);
    const F64 radius = square_root(-2 * math::log(unit_open(u.first.words01())));
    const F64 x = radius * cos_sin_turn(u.first.words23()).cos;
    const F64 root = 1 + c * x, v = root * root * root;
    const F64 bound = 0.5 * x * x + d - d * v + d * math::log(v);
    const Mask accepted = pending & (v > 0) & (math::log(unit_open(u.second.words01())) < bound);
    result = accepted ? d * v : result;
    boost = accepted ? unit_open(u.second.words23()) : boost;
    pending &= ~accepted;
  }
  const auto boosted = small & (shape >= 0);
  return boosted ? result * math::exp(math::log(boost) / shape) : result;
}

// The least k whose distribution function exceeds u, from P(0) and P(k + 1) / P(k) = next(k).
template <class Next>
LAMINA_INLINE F64 invert(Mask wanted, F64 u, F64 p, Next next) {
  F64 k{}, sum = p;
  for (int step = 0; step < 128; ++step) {  // far beyond what is left of 53 bits
    const Mask further = wanted & (u > sum);
    if (!any(further)) break;
    p = p * next(k);
    sum = further ? sum + p : sum;
    k = further ? k + 1 : k;
  }
  return k;
}

LAMINA_INLINE F64 poisson_step(PhiloxKey key, int64_t element, F64 rate, F64) {
  const Mask valid = (rate >= 0) & (rate < special::kInf);
  Mask pending = valid & (rate >= kInversionBelow);
  const Mask small = valid & (rate < kInversionBelow);
  const F64 uniform = unit(Uniforms(key, element, 0).second.words23());
  F64 result = small
                   ? invert(small, uniform, math::exp(-rate), [&](F64 k) { return rate / (k + 1); })
                   : rate;
  const F64 b = 0.931 + 2.53 * square_root(rate), a = -0.059 + 0.02483 * b;
  const F64 squeeze = 0.9277 - 3.6224 / (b - 2), log_rate = math::log(rate);
  const F64 log_scale = math::log(1.1239 + 1.1328 / (b - 3.4));
  for (uint64_t attempt = 0; any(pending); ++attempt) {
    const Uniforms draws(key, element, attempt);
    const F64 u = unit_open(draws.first.words01()) - 0.5, v = unit_open(draws.first.words23());
    const F64 us = 0.5 - math::abs(u);
    const F64 k = floor((2 * a / us + b) * u + rate + 0.43);
    const Mask quick = (us >= 0.07) & (v <= squeeze);
    const F64 left = math::log(v) + log_scale - math::log(a / (us * us) + b);
    const Mask slow = (k >= 0) & ((us >= 0.013) | (v <= us)) &
                      (left <= k * log_rate - rate - special::lgamma_positive(k + 1));
    const Mask accepted = pending & (quick | slow);
    result = accepted ? k : result;
    pending &= ~accepted;
  }
  return result;
}

LAMINA_INLINE F64 binomial_step(PhiloxKey key, int64_t element, F64 n, F64 p) {
  const Mask valid = (n >= 0) & (n < special::kInf) & (p >= 0) & (p <= 1) & (floor(n) == n);
  const Mask flipped = p > 0.5;
  const F64 q = flipped ? 1 - p : p, odds = q / (1 - q), mean = n * q;
  Mask pending = valid & (mean >= kInversionBelow);
  const Mask small = valid & (mean < kInversionBelow);
  const F64 uniform = unit(Uniforms(key, element, 0).second.words23());
  F64 result = invert(small, uniform, math::exp(n * math::log1p(-q)),
                      [&](F64 k) { return (n - k) / (k + 1) * odds; });
  const F64 deviation = square_root(mean * (1 - q)), b = 1.15 + 2.53 * deviation;
  const F64 a = -0.0873 + 0.0248 * b + 0.01 * q, squeeze = 0.92 - 4.2 / b;
  const F64 alpha = (2.83 + 5.1 / b) * deviation, middle = floor((n + 1) * q);
  const F64 log_odds = math::log(odds);
  const F64 at_middle =
      special::lgamma_positive(middle + 1) + special::lgamma_positive(n - middle + 1);
  for (uint64_t attempt = 0; any(pending); ++attempt) {
    const Uniforms draws(key, element, attempt);
    const F64 u = unit_open(draws.first.words01()) - 0.5, v = unit_open(draws.first.words23());
    const F64 us = 0.5 - math::abs(u);
    const F64 k = floor((2 * a / us + b) * u + mean + 0.5);
    const Mask inside = (k >= 0) & (k <= n);
    const Mask quick = (us >= 0.07) & (v <= squeeze);
    const F64 left = math::log(v * alpha / (a / (us * us) + b));
    const F64 safe = inside ? k : middle;
    const F64 right = at_middle - special::lgamma_positive(safe + 1) -
                      special::lgamma_positive(n - safe + 1) + (safe - middle) * log_odds;
    const Mask accepted = pending & inside & (quick | (left <= right));
    result = accepted ? k : result;
    pending &= ~accepted;
  }
  result = flipped ? n - result : result;
  return valid ? result : F64{} + special::kNaN;
}

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

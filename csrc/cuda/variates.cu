// Gamma, Poisson and binomial draws, and the gradient of gamma draws: a thread an element, in double,
// by the CPU's formulas and from the same words of Philox.  Results differ from the CPU's by the
// rounding of log and exp.
//
// Bound by arithmetic, as on the CPU, and by the rate of float64; a warp goes on until the last of
// its lanes has accepted, after about two attempts.  Bytes are some 8 or 16 a draw in float32 or float64
// (parameters read, draws written) and do not count.  Compiled and emulated, not yet run on a
// device.
#include "cuda/convert.h"
#include "cuda/findings.h"
#include "cuda/random_math.h"
#include "cuda/scalar_math.h"
#include "cuda/special_math.h"
#include "kernels/registry.h"
#include "kernels/variates.h"

namespace lamina::cuda {
namespace math {

LAMINA_INLINE double log(double x) { return ::log(x); }
LAMINA_INLINE double exp(double x) { return ::exp(x); }
LAMINA_INLINE double log1p(double x) { return ::log1p(x); }
LAMINA_INLINE double abs(double x) { return ::fabs(x); }

}  // namespace math

namespace special {

constexpr double kInf = __builtin_inf(), kNaN = __builtin_nan("");

LAMINA_INLINE double lgamma_positive(double x) { return ::lgamma(x); }
LAMINA_INLINE double digamma_positive(double x) { return digamma(x); }
LAMINA_INLINE bool none(bool condition) { return !condition; }

}  // namespace special

namespace {

using kernels::Draws;
using F64 = double;
using V = double;
using Mask = bool;
using draws::cos_sin_turn;
using draws::square_root;
using draws::unit;
using draws::unit_open;

constexpr int kThreads = 128;

LAMINA_INLINE bool any(bool condition) { return condition; }

struct Words {
  PhiloxBlock block;

  LAMINA_INLINE uint64_t words01() const { return uint64_t{block.v[1]} << 32 | block.v[0]; }
  LAMINA_INLINE uint64_t words23() const { return uint64_t{block.v[3]} << 32 | block.v[2]; }
};

struct Uniforms {
  Words first, second;

  LAMINA_INLINE Uniforms(PhiloxKey key, int64_t element, uint64_t attempt)
      : first{philox(key, static_cast<uint64_t>(element) + (attempt << 41))},
        second{
            philox(key, static_cast<uint64_t>(element) + (attempt << 41) + (uint64_t{1} << 40))} {}
};

#include "kernels/variate_grad.inc"
#include "kernels/variates.inc"

LAMINA_INLINE double gamma_gradient(double a, double x) {
  if (!(a > 0) || !(x >= 0)) return special::kNaN;
  if (x == 0) return 0;
  if (a >= 1000) return gamma_gradient_large(a, x);
  if (x < a + 1) return gamma_gradient_series(a, x);
  // The fraction converges slower near x = 1, and with large shapes.
  return gamma_gradient_fraction(a, x, static_cast<int>(20 + 80 / x + 4 * sqrt(a)));
}

struct Gamma {
  static LAMINA_INLINE double step(PhiloxKey key, int64_t i, double a, double b) {
    return gamma_step(key, i, a, b);
  }
};

struct Poisson {
  static LAMINA_INLINE double step(PhiloxKey key, int64_t i, double a, double b) {
    return poisson_step(key, i, a, b);
  }
};

struct Binomial {
  static LAMINA_INLINE double step(PhiloxKey key, int64_t i, double a, double b) {
    return binomial_step(key, i, a, b);
  }
};

struct GammaGradient {
  static LAMINA_INLINE double step(PhiloxKey, int64_t, double a, double b) {
    return gamma_gradient(a, b);
  }
};

// out[i] = step(key, i, a[i], b[i]); notes a draw that is none.
template <class Step>
__global__ void __launch_bounds__(kThreads) draw_kernel(const Draws d, Findings* findings) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= d.n) return;
  const double a = load<double>(d.a, d.dtype, i), b = d.b ? load<double>(d.b, d.dtype, i) : 0.5;
  const double drawn = Step::step(d.key, i, a, b);
  store<double>(d.out, d.dtype, i, drawn);
  if (!(drawn >= 0)) atomicMax(&findings->at[0], 1);
}

template <class Step>
bool draw(const Draws& d) {
  const Record record;
  launch(&draw_kernel<Step>, blocks_for(d.n, kThreads), kThreads, 0, stream(), d, record.data());
  return record.read().at[0] == 0;
}

void gamma_grads(const Draws& d) {
  const Record record;
  launch(&draw_kernel<GammaGradient>, blocks_for(d.n, kThreads), kThreads, 0, stream(), d,
         record.data());
}

}  // namespace

LAMINA_CUDA_KERNELS(Variates, variates){&draw<Gamma>, &draw<Poisson>, &draw<Binomial>,
                                        &gamma_grads};

}  // namespace lamina::cuda

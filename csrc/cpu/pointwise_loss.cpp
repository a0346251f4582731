// Losses an element, fused with their weights and their sum: each function reads x and y once; the
// gradient writes once more. Bound by bytes, or by exp and log.
//
// A block of kStagedRow elements goes through its steps in the L1 cache: the loss or its slope, the
// weights, the sum or the gradient's factor. So each loss is compiled as two row functions, and the
// rest once.
#include "kernels/pointwise_loss.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/map.h"
#include "cpu/pointwise_loss_math.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::PointwiseLoss;
using kernels::PointwiseLossInput;
using P = const double*;

constexpr int64_t kGrain = 8 * kStagedRow;

// Row functions of (out, x, y), those that name it of (out, x, y, a).
struct Rows {
  RowMap value, slope;
};

template <class T, class F, class G>
Rows rows(F value, G slope) {
  return {vectors<T, 2>(value), vectors<T, 2>(slope)};
}

template <class T>
Rows rows_of(PointwiseLoss loss) {
  using V = Vec<T>;
  switch (loss) {
    case PointwiseLoss::mse_loss:
      return rows<T>([](V x, V y, P) { return (x - y) * (x - y); },
                     [](V x, V y, P) { return 2 * (x - y); });
    case PointwiseLoss::l1_loss:
      return rows<T>([](V x, V y, P) { return math::abs(x - y); },
                     [](V x, V y, P) { return math::sign(x - y); });
    case PointwiseLoss::smooth_l1_loss:
      return rows<T>(
          [](V x, V y, P p) { return math::smooth_l1(x - y, static_cast<T>(*p)); },
          [](V x, V y, P p) { return math::smooth_l1_slope(x - y, static_cast<T>(*p)); });
    case PointwiseLoss::huber_loss:
      return rows<T>([](V x, V y, P p) { return math::huber(x - y, static_cast<T>(*p)); },
                     [](V x, V y, P p) { return math::huber_slope(x - y, static_cast<T>(*p)); });
    case PointwiseLoss::binary_cross_entropy:
      return rows<T>([](V x, V y, P) { return math::binary_cross_entropy(x, y); },
                     [](V x, V y, P) { return math::binary_cross_entropy_slope(x, y); });
    case PointwiseLoss::binary_cross_entropy_with_logits:
      return {vectors<T, 3>(
                  [](V x, V y, V a, P) { return math::binary_cross_entropy_with_logits(x, y, a); }),
              vectors<T, 3>([](V x, V y, V a, P) {
                return math::binary_cross_entropy_with_logits_slope(x, y, a);
              })};
    case PointwiseLoss::kl_div:
      return rows<T>([](V x, V y, P) { return math::y_log_y(y) - y * x; },
                     [](V, V y, P) { return -y; });
    case PointwiseLoss::kl_div_log_target:
      return rows<T>([](V x, V y, P) { return math::exp(y) * (y - x); },
                     [](V, V y, P) { return -math::exp(y); });
    case PointwiseLoss::soft_margin_loss:
      return rows<T>([](V x, V y, P) { return math::log1p_exp(-x * y); },
                     [](V x, V y, P) { return -y * math::sigmoid(-x * y); });
    case PointwiseLoss::hinge_embedding_loss:
      return rows<T>(
          [](V x, V y, P p) { return math::hinge_embedding(x, y, static_cast<T>(*p)); },
          [](V x, V y, P p) { return math::hinge_embedding_slope(x, y, static_cast<T>(*p)); });
    case PointwiseLoss::margin_ranking_loss:
      return rows<T>([](V x, V y, P p) { return math::positive_part(static_cast<T>(*p) - x * y); },
                     [](V x, V y, P p) { return static_cast<T>(*p) - x * y >= 0 ? -y : V{}; });
    case PointwiseLoss::poisson_nll_loss_log:
      return rows<T>(
          [](V x, V y, P p) {
            return math::exp(x) - y * x + (*p != 0 ? math::log_factorial(y) : V{});
          },
          [](V x, V y, P) { return math::exp(x) - y; });
    case PointwiseLoss::poisson_nll_loss:
      return rows<T>(
          [](V x, V y, P p) {
            return x - y * math::log(x + static_cast<T>(p[1])) +
                   (*p != 0 ? math::log_factorial(y) : V{});
          },
          [](V x, V y, P p) { return 1 - y / (x + static_cast<T>(p[1])); });
  }
  __builtin_unreachable();
}

// Runs row functions over blocks of an input.
template <class T>
struct Blocks {
  const PointwiseLossInput& in;
  T ones[kStagedRow];  // stands in for an absent `a`

  explicit Blocks(const PointwiseLossInput& input) : in(input) {
    for (T& one : ones) one = 1;
  }

  // out[0..n) = weight f(x, y) of the block that begins at `start`.
  LAMINA_INLINE void run(RowMap f, int64_t start, int64_t n, T* out) const {
    const auto at = [&](const void* p) {
      return reinterpret_cast<char*>(const_cast<T*>(static_cast<const T*>(p) + start));
    };
    char* data[4] = {reinterpret_cast<char*>(out), at(in.x), at(in.y),
                     in.a ? at(in.a) : reinterpret_cast<char*>(const_cast<T*>(ones))};
    f(data, n, in.p);
    if (in.weight) multiply(out, static_cast<const T*>(in.weight) + start, n);
  }

  LAMINA_INLINE static void multiply(T* out, const T* by, int64_t n) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) out[i] *= by[i];
  }
};

// body(start, n) for each block of [begin, end).
template <class Body>
LAMINA_INLINE void for_each_block(int64_t begin, int64_t end, const Body& body) {
  for (int64_t start = begin; start < end; start += kStagedRow)
    body(start, end - start < kStagedRow ? end - start : kStagedRow);
}

template <class T>
LAMINA_INLINE double sum(const T* x, int64_t n) {
  constexpr int64_t L = kLanes<T>;
  Vec<T> parts[4] = {};
  int64_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L)
    for (int k = 0; k < 4; ++k) parts[k] += load(x + i + k * L);
  const Vec<T> part = (parts[0] + parts[1]) + (parts[2] + parts[3]);
  double total = 0;
  for (int j = 0; j < L; ++j) total += static_cast<double>(part[j]);
  for (; i < n; ++i) total += static_cast<double>(x[i]);
  return total;
}

void elements(DType dtype, const PointwiseLossInput& in, void* out) {
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    const RowMap value = rows_of<T>(in.loss).value;
    const Blocks<T> blocks(in);
    parallel_for(in.n, kGrain, [&](int64_t begin, int64_t end) {
      for_each_block(begin, end, [&](int64_t start, int64_t n) {
        blocks.run(value, start, n, static_cast<T*>(out) + start);
      });
    });
  });
}

void total(DType dtype, const PointwiseLossInput& in, double scale, void* out) {
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    const RowMap value = rows_of<T>(in.loss).value;
    const Blocks<T> blocks(in);
    const int64_t chunks = (in.n + kGrain - 1) / kGrain;
    Scratch memory(static_cast<size_t>(chunks) * sizeof(double));
    double* sums = memory.as<double>();
    parallel_for(in.n, kGrain, [&](int64_t begin, int64_t end) {
      T losses[kStagedRow];
      double& chunk = sums[begin / kGrain];
      chunk = 0;
      for_each_block(begin, end, [&](int64_t start, int64_t n) {
        blocks.run(value, start, n, losses);
        chunk += sum(losses, n);
      });
    });
    double all = 0;
    for (int64_t i = 0; i < chunks; ++i) all += sums[i];
    *static_cast<T*>(out) = static_cast<T>(all * scale);
  });
}

void gradient(DType dtype, const PointwiseLossInput& in, const void* g, bool one_gradient,
              double scale, void* dx) {
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    const RowMap slope = rows_of<T>(in.loss).slope;
    const Blocks<T> blocks(in);
    const T* grad = static_cast<const T*>(g);
    const T factor = static_cast<T>(scale) * (one_gradient ? *grad : T(1));
    parallel_for(in.n, kGrain, [&](int64_t begin, int64_t end) {
      for_each_block(begin, end, [&](int64_t start, int64_t n) {
        T* out = static_cast<T*>(dx) + start;
        blocks.run(slope, start, n, out);
        if (!one_gradient) Blocks<T>::multiply(out, grad + start, n);
        if (factor != 1)
          for (int64_t i = 0; i < n; ++i) out[i] *= factor;
      });
    });
  });
}

bool in_unit_interval(DType dtype, int64_t n, const void* x) {
  return visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    const T* values = static_cast<const T*>(x);
    int64_t outside = 0;
    for (int64_t i = 0; i < n; ++i) outside += !(values[i] >= 0) | !(values[i] <= 1);
    return outside == 0;
  });
}

}  // namespace

LAMINA_CPU_KERNELS(PointwiseLosses, pointwise_loss){&elements, &total, &gradient,
                                                    &in_unit_interval};

}  // namespace lamina::cpu::LAMINA_ISA

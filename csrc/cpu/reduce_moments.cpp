// var and std in one pass: the mean and the sum of squared deviations of a block about its own
// mean, joined to the state by Chan, Golub and LeVeque's update ("Updating formulae and a pairwise
// algorithm for computing sample variances", 1979).  A block is read twice, the second time from
// the cache, so that memory is read once.
#include "cpu/reducer.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// State: mean, sum of squared deviations, count.
LAMINA_INLINE void join(Word& mean, Word& squares, Word& count, double other_mean,
                        double other_squares, double other_count) {
  const double total = count.real + other_count, share = other_count / total;
  const double apart = other_mean - mean.real;
  squares.real += other_squares + apart * apart * (count.real * share);
  mean.real += apart * share;
  count.real = total;
}

void start(Word* state, int64_t ld, int64_t outputs) {
  for (int w = 0; w < 3; ++w)
    for (int64_t j = 0; j < outputs; ++j) state[w * ld + j].real = 0;
}

// f(x) summed over x[0..n) in four vectors and a fixed tree.
template <class T, class F>
LAMINA_INLINE T sum_of(const T* x, int64_t n, const F& f) {
  constexpr int64_t L = kLanes<T>;
  Vec<T> acc[4] = {};
  int64_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L)
    for (int k = 0; k < 4; ++k) acc[k] += f(load(x + i + k * L));
  for (int k = 0; i + L <= n; i += L, ++k) acc[k] += f(load(x + i));
  T lanes[L];
  store(lanes, (acc[0] + acc[1]) + (acc[2] + acc[3]));
  for (int64_t k = 0; i < n; ++i, ++k) lanes[k] += f(x[i]);
  for (int64_t half = L / 2; half > 0; half /= 2)
    for (int64_t k = 0; k < half; ++k) lanes[k] += lanes[k + half];
  return lanes[0];
}

template <class T>
void run(Word* state, int64_t ld, const void* data, int64_t n, int64_t, double) {
  const T* x = static_cast<const T*>(data);
  const T mean = sum_of(x, n, [](auto v) { return v; }) / static_cast<T>(n);
  // The mean's rounding error comes back as the mean of the deviations.
  const T rest = sum_of(x, n, [&](auto v) { return v - mean; }) / static_cast<T>(n);
  const T squares = sum_of(x, n, [&](auto v) { return (v - mean) * (v - mean); });
  const double shift = rest, count = static_cast<double>(n);
  join(state[0], state[ld], state[2 * ld], mean + shift, squares - count * shift * shift, count);
}

template <class T>
void columns(Word* state, int64_t ld, const void* data, int64_t row_stride, int64_t rows,
             int64_t outputs, int64_t, double) {
  constexpr int64_t kStrip = 64;  // outputs whose sums stay in registers
  const T* x = static_cast<const T*>(data);
  for (int64_t begin = 0; begin < outputs; begin += kStrip) {
    const int64_t n = outputs - begin < kStrip ? outputs - begin : kStrip;
    T mean[kStrip], rest[kStrip], squares[kStrip];
    for (int64_t j = 0; j < n; ++j) mean[j] = rest[j] = squares[j] = 0;
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < n; ++j) mean[j] += x[i * row_stride + begin + j];
    for (int64_t j = 0; j < n; ++j) mean[j] /= static_cast<T>(rows);
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        const T apart = x[i * row_stride + begin + j] - mean[j];
        rest[j] += apart;
        squares[j] += apart * apart;
      }
    }
    const double count = static_cast<double>(rows);
    for (int64_t j = 0; j < n; ++j) {
      Word* s = state + begin + j;
      const double shift = rest[j] / count;
      join(s[0], s[ld], s[2 * ld], mean[j] + shift, squares[j] - count * shift * shift, count);
    }
  }
}

void combine(Word* state, const Word* later, int64_t ld, int64_t outputs) {
  for (int64_t j = 0; j < outputs; ++j) {
    Word* s = state + j;
    const Word* l = later + j;
    join(s[0], s[ld], s[2 * ld], l[0].real, l[ld].real, l[2 * ld].real);
  }
}

// Leaves the variance in word 0 and the mean in word 1.
void variance(Word* state, int64_t ld, int64_t outputs, int64_t n, double correction) {
  const double count = static_cast<double>(n) - correction;
  for (int64_t j = 0; j < outputs; ++j) {
    const double mean = state[j].real;
    state[j].real = state[ld + j].real / (count > 0 ? count : 0);
    state[ld + j].real = mean;
  }
}

void deviation(Word* state, int64_t ld, int64_t outputs, int64_t n, double correction) {
  variance(state, ld, outputs, n, correction);
  for (int64_t j = 0; j < outputs; ++j) state[j].real = __builtin_sqrt(state[j].real);
}

template <class T>
constexpr Reducer make(decltype(&variance) finish) {
  return {3, {DType::float64, DType::float64}, &start, &run<T>, &columns<T>, &combine, finish};
}

}  // namespace

Reducer moment_reducer(kernels::Reduce op, DType compute) {
  const auto finish = op == kernels::Reduce::var ? &variance : &deviation;
  return compute == DType::float64 ? make<double>(finish) : make<float>(finish);
}

}  // namespace lamina::cpu::LAMINA_ISA

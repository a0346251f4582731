// Draws from given weights, and permutations.
//
// With replacement: the running sum of the weights and a binary search per sample.  Without: the
// `samples` least of -log(u) / weight, an exponential race (Efraimidis and Spirakis, "Weighted
// random sampling with a reservoir", 2006). A permutation is Durstenfeld's shuffle, inside out:
// bound by cache misses.
#include "kernels/sampling.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/philox.h"
#include "cpu/random_math.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::Multinomial;
using kernels::WeightError;

constexpr int64_t kGrain = 1 << 14;
constexpr int kDraws = 2 * kBlocks;  // of 64 bits, in one step

// Draws first ... first + kDraws - 1; `first` is even.
LAMINA_INLINE void draws64(PhiloxKey key, int64_t first, uint64_t* out) {
  const PhiloxLanes blocks = philox_lanes(key, static_cast<uint64_t>(first / 2));
  store_interleaved(out, blocks.words01(), blocks.words23());
}

// A row's first draw, of `count` draws: even.
LAMINA_INLINE int64_t row_start(int64_t row, int64_t count) { return row * ((count + 1) / 2 * 2); }

// u < p with as many bits of u as the type resolves; an array of p in, ones and zeros out.
template <class T, class C>
bool bernoulli_row(PhiloxKey key, const T* p, T* out, int64_t begin, int64_t end) {
  constexpr int kStep = 4 * kBlocks;
  constexpr C kUnit = sizeof(C) == 8 ? C(0x1p-32) : C(0x1p-24);
  alignas(kVectorBytes) uint32_t words[kStep];
  bool valid = true;
  for (int64_t i = begin; i < end; i += kStep) {
    store_words(words, philox_lanes(key, static_cast<uint64_t>(i / 4)));
    const int64_t count = end - i < kStep ? end - i : kStep;
    for (int64_t j = 0; j < count; ++j) {
      const C probability = static_cast<C>(p[i + j]);
      const uint32_t word = sizeof(C) == 8 ? words[j] : words[j] >> 8;
      valid &= probability >= 0 && probability <= 1;
      out[i + j] = static_cast<T>(static_cast<C>(word) * kUnit < probability ? C(1) : C(0));
    }
  }
  return valid;
}

template <class T, class C>
bool bernoulli_all(PhiloxKey key, int64_t n, const void* p, void* out) {
  int invalid = 0;
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    if (!bernoulli_row<T, C>(key, static_cast<const T*>(p), static_cast<T*>(out), begin, end))
      __atomic_store_n(&invalid, 1, __ATOMIC_RELAXED);
  });
  return invalid == 0;
}

bool bernoulli(PhiloxKey key, DType dtype, int64_t n, const void* p, void* out) {
  switch (dtype) {
    case DType::float64:
      return bernoulli_all<double, double>(key, n, p, out);
    case DType::bfloat16:
      return bernoulli_all<bfloat16, float>(key, n, p, out);
    case DType::float16:
      return bernoulli_all<float16, float>(key, n, p, out);
    default:
      return bernoulli_all<float, float>(key, n, p, out);
  }
}

void permutation(PhiloxKey key, int64_t n, int64_t* out) {
  uint64_t draws[kDraws];
  for (int64_t i = 0; i < n; ++i) {
    if (i % kDraws == 0) draws64(key, i, draws);
    const auto range = static_cast<unsigned __int128>(i + 1);
    const int64_t j = static_cast<int64_t>(draws[i % kDraws] * range >> 64);  // 0 ... i
    out[i] = out[j];
    out[j] = i;
  }
}

template <class T>
WeightError check_row(const T* weights, int64_t n, int64_t least) {
  double sum = 0;
  int64_t positive = 0;
  bool valid = true;
  for (int64_t i = 0; i < n; ++i) {
    valid &= weights[i] >= 0;  // false for NaN
    positive += weights[i] > 0;
    sum += static_cast<double>(weights[i]);
  }
  if (!valid || !(sum < __builtin_inf())) return WeightError::negative;
  if (positive == 0) return WeightError::no_sum;
  return positive < least ? WeightError::too_few : WeightError::none;
}

template <class T>
void with_replacement(const Multinomial& m, int64_t row, const T* weights, int64_t* out) {
  const Scratch scratch(static_cast<size_t>(m.categories) * sizeof(double));
  double* sums = scratch.as<double>();
  double total = 0;
  int64_t last = 0;  // the last category that can be drawn
  for (int64_t c = 0; c < m.categories; ++c) {
    sums[c] = total += static_cast<double>(weights[c]);
    if (weights[c] > 0) last = c;
  }
  uint64_t draws[kDraws];
  for (int64_t s = 0; s < m.samples; ++s) {
    if (s % kDraws == 0) draws64(m.key, row_start(row, m.samples) + s, draws);
    const double target = static_cast<double>(draws[s % kDraws] >> 11) * 0x1p-53 * total;
    int64_t begin = 0, end = last;  // the first category whose sum exceeds the target
    while (begin < end) {
      const int64_t middle = begin + (end - begin) / 2;
      if (sums[middle] > target) {
        end = middle;
      } else {
        begin = middle + 1;
      }
    }
    out[s] = begin;
  }
}

// A binary max-heap of categories by arrival time, ties by number.
struct Heap {
  const double* time;
  int64_t* items;

  LAMINA_INLINE bool less(int64_t a, int64_t b) const {
    return time[a] < time[b] || (time[a] == time[b] && a < b);
  }
  LAMINA_INLINE void sink(int64_t at, int64_t n) const {
    const int64_t item = items[at];
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
      if (child + 1 < n && less(items[child], items[child + 1])) ++child;
      if (!less(item, items[child])) break;
      items[at] = items[child];
    }
    items[at] = item;
  }
};

// When each category arrives: exponential times at the rates `weights`.  `time` has room for a
// whole last step.
template <class T>
void arrival_times(const Multinomial& m, int64_t row, const T* weights, double* time) {
  for (int64_t c = 0; c < m.categories; c += kDraws) {
    uint64_t draws[kDraws];
    draws64(m.key, row_start(row, m.categories) + c, draws);
    store(time + c, Vec<double>(-log(unit_open(load(draws)))));
    store(time + c + kBlocks, Vec<double>(-log(unit_open(load(draws + kBlocks)))));
  }
  for (int64_t c = 0; c < m.categories; ++c) time[c] /= static_cast<double>(weights[c]);
}

template <class T>
void without_replacement(const Multinomial& m, int64_t row, const T* weights, int64_t* out) {
  const Scratch scratch(static_cast<size_t>(m.categories + kDraws) * sizeof(double));
  double* time = scratch.as<double>();
  arrival_times(m, row, weights, time);
  const Heap heap{time, out};
  int64_t held = 0;
  for (int64_t c = 0; c < m.categories; ++c) {
    if (!(weights[c] > 0)) continue;
    if (held < m.samples) {
      out[held++] = c;
      if (held == m.samples)
        for (int64_t i = held / 2; i-- > 0;) heap.sink(i, held);
    } else if (heap.less(c, out[0])) {
      out[0] = c;
      heap.sink(0, held);
    }
  }
  for (int64_t n = held - 1; n > 0; --n) {  // the earliest first
    const int64_t latest = out[0];
    out[0] = out[n];
    out[n] = latest;
    heap.sink(0, n);
  }
}

template <class T>
WeightError multinomial_of(const Multinomial& m) {
  int errors = 0;  // one bit each
  parallel_for(m.rows, kGrain / (m.categories + m.samples) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T* weights = static_cast<const T*>(m.weights) + row * m.categories;
      const WeightError error = check_row(weights, m.categories, m.replacement ? 1 : m.samples);
      if (error != WeightError::none) {
        __atomic_fetch_or(&errors, 1 << static_cast<int>(error), __ATOMIC_RELAXED);
      } else if (m.replacement) {
        with_replacement(m, row, weights, m.out + row * m.samples);
      } else {
        without_replacement(m, row, weights, m.out + row * m.samples);
      }
    }
  });
  return errors == 0 ? WeightError::none : static_cast<WeightError>(__builtin_ctz(errors));
}

WeightError multinomial(const Multinomial& m) {
  return m.dtype == DType::float64 ? multinomial_of<double>(m) : multinomial_of<float>(m);
}

}  // namespace

LAMINA_CPU_KERNELS(Sampling, sampling){&bernoulli, &permutation, &multinomial};

}  // namespace lamina::cpu::LAMINA_ISA

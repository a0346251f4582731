// Draws from given weights, with the CPU's bits.
//
// With replacement: the running sum of the weights, by one thread of a block in the CPU's order of
// additions, and a binary search a sample.  Without: the `samples` least of -log(u) / weight, an
// exponential race (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006), by
// the sort.  Bound by the latency of an addition a weight, or by the sort.  A permutation is drawn
// on the CPU and copied: it is a chain of exchanges.  Compiled and emulated, not yet run on a
// device.
#include <math.h>

#include "cuda/convert.h"
#include "cuda/findings.h"
#include "cuda/missing.h"
#include "cuda/random_math.h"
#include "cuda/reduce.h"
#include "cuda/scratch.h"
#include "cuda/sort.h"
#include "kernels/registry.h"
#include "kernels/sampling.h"

namespace lamina::cuda {
namespace {

using kernels::Multinomial;
using kernels::WeightError;

constexpr int kThreads = 256;

// A thread takes the four words of a Philox block.
template <class T, class C>
__global__ void __launch_bounds__(kThreads)
    bernoulli_kernel(PhiloxKey key, int64_t n, const T* p, T* out, Findings* findings) {
  constexpr C kUnit = sizeof(C) == 8 ? C(0x1p-32) : C(0x1p-24);
  const int64_t block = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (4 * block >= n) return;
  const PhiloxBlock words = philox(key, static_cast<uint64_t>(block));
  bool valid = true;
  for (int j = 0; j < 4 && 4 * block + j < n; ++j) {
    const int64_t i = 4 * block + j;
    const C probability = convert<C>(p[i]);
    const uint32_t word = sizeof(C) == 8 ? words.v[j] : words.v[j] >> 8;
    valid &= probability >= 0 && probability <= 1;
    out[i] = convert<T>(static_cast<C>(word) * kUnit < probability ? C(1) : C(0));
  }
  if (!valid) atomicMax(&findings->at[0], 1);
}

template <class T, class C>
void bernoulli_as(PhiloxKey key, int64_t n, const void* p, void* out, const Record& record) {
  launch(&bernoulli_kernel<T, C>, blocks_for(n, 4 * kThreads), kThreads, 0, stream(), key, n,
         static_cast<const T*>(p), static_cast<T*>(out), record.data());
}

bool bernoulli(PhiloxKey key, DType dtype, int64_t n, const void* p, void* out) {
  if (n == 0) return true;
  const Record record;
  if (dtype == DType::float64)
    bernoulli_as<double, double>(key, n, p, out, record);
  else if (dtype == DType::bfloat16)
    bernoulli_as<bfloat16, float>(key, n, p, out, record);
  else if (dtype == DType::float16)
    bernoulli_as<float16, float>(key, n, p, out, record);
  else
    bernoulli_as<float, float>(key, n, p, out, record);
  return record.read().at[0] == 0;
}

// ---- multinomial

struct Weights {
  double sum;
  int64_t positive;
  int64_t invalid;
};

// blockIdx.x: a row.
template <class T>
__global__ void __launch_bounds__(kThreads)
    check_kernel(const Multinomial m, const T* weights, int64_t least, Findings* findings) {
  LAMINA_SHARED(Weights, warps, [kThreads / kWarpSize]);
  const T* row = weights + blockIdx.x * m.categories;
  Weights w{0, 0, 0};
  for (int64_t c = threadIdx.x; c < m.categories; c += kThreads) {
    w.sum += static_cast<double>(row[c]);
    w.positive += row[c] > 0;
    w.invalid += !(row[c] >= 0);  // NaN too
  }
  w = block_reduce<kThreads>(w, warps, [](const Weights& a, const Weights& b) {
    return Weights{a.sum + b.sum, a.positive + b.positive, a.invalid + b.invalid};
  });
  if (threadIdx.x != 0) return;
  WeightError error = WeightError::none;
  if (w.invalid || !(w.sum < INFINITY))
    error = WeightError::negative;
  else if (w.positive < least)
    error = w.positive == 0 ? WeightError::no_sum : WeightError::too_few;
  if (error != WeightError::none) atomicMax(&findings->at[static_cast<int>(error)], 1);
}

__device__ __forceinline__ uint64_t draw64(PhiloxKey key, int64_t i) {
  const PhiloxBlock b = philox(key, static_cast<uint64_t>(i / 2));
  return i % 2 ? uint64_t{b.v[3]} << 32 | b.v[2] : uint64_t{b.v[1]} << 32 | b.v[0];
}

// A row's first draw, of `count` draws: even.
__device__ __forceinline__ int64_t row_start(int64_t row, int64_t count) {
  return row * ((count + 1) / 2 * 2);
}

// blockIdx.x: a row.  sums[c]: weights up to category c; lasts: the last that can be drawn.
template <class T>
__global__ void __launch_bounds__(kThreads)
    sum_kernel(const Multinomial m, const T* weights, double* sums, int64_t* lasts) {
  LAMINA_SHARED(double, tile, [kThreads]);
  const T* row = weights + blockIdx.x * m.categories;
  double* to = sums + blockIdx.x * m.categories;
  double total = 0;
  int64_t last = 0;
  for (int64_t first = 0; first < m.categories; first += kThreads) {
    const int64_t left = m.categories - first, c = first + threadIdx.x;
    const bool exists = c < m.categories;
    if (exists) tile[threadIdx.x] = static_cast<double>(row[c]);
    __syncthreads();
    if (threadIdx.x == 0)
      for (int i = 0; i < kThreads && i < left; ++i) {
        if (tile[i] > 0) last = first + i;
        tile[i] = total += tile[i];
      }
    __syncthreads();
    if (exists) to[c] = tile[threadIdx.x];
  }
  if (threadIdx.x == 0) lasts[blockIdx.x] = last;
}

// A thread draws a sample: the first category whose sum exceeds the target.
__global__ void __launch_bounds__(kThreads)
    sample_kernel(const Multinomial m, const double* sums, const int64_t* lasts) {
  const int64_t thread = int64_t{blockIdx.x} * kThreads + threadIdx.x, row = thread / m.samples;
  if (row >= m.rows) return;
  const int64_t s = thread % m.samples;
  const double* mine = sums + row * m.categories;
  const uint64_t draw = draw64(m.key, row_start(row, m.samples) + s);
  const double target = static_cast<double>(draw >> 11) * 0x1p-53 * mine[m.categories - 1];
  int64_t begin = 0, end = lasts[row];
  while (begin < end) {
    const int64_t middle = begin + (end - begin) / 2;
    if (mine[middle] > target)
      end = middle;
    else
      begin = middle + 1;
  }
  m.out[thread] = begin;
}

template <class T>
void with_replacement(const Multinomial& m) {
  const int64_t n = m.rows * m.categories;
  const DeviceScratch memory(static_cast<size_t>(n + m.rows) * sizeof(double));
  double* sums = memory.as<double>();
  int64_t* lasts = reinterpret_cast<int64_t*>(sums + n);
  launch(&sum_kernel<T>, static_cast<unsigned>(m.rows), kThreads, 0, stream(), m,
         static_cast<const T*>(m.weights), sums, lasts);
  launch(&sample_kernel, blocks_for(m.rows * m.samples, kThreads), kThreads, 0, stream(), m,
         static_cast<const double*>(sums), static_cast<const int64_t*>(lasts));
}

// When each category arrives: exponential times at the rates `weights`; NaN, which sorts last, where
// it never does.
template <class T>
__global__ void __launch_bounds__(kThreads)
    arrival_kernel(const Multinomial m, const T* weights, double* times) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= m.rows * m.categories) return;
  const int64_t row = i / m.categories, c = i % m.categories;
  const uint64_t draw = draw64(m.key, row_start(row, m.categories) + c);
  times[i] = weights[i] > 0 ? -draws::log(draws::unit_open(draw)) / static_cast<double>(weights[i])
                            : static_cast<double>(NAN);
}

template <class T>
void without_replacement(const Multinomial& m) {
  const int64_t n = m.rows * m.categories;
  const DeviceScratch memory(static_cast<size_t>(n + m.rows * m.samples) * sizeof(double));
  double* times = memory.as<double>();
  launch(&arrival_kernel<T>, blocks_for(n, kThreads), kThreads, 0, stream(), m,
         static_cast<const T*>(m.weights), times);
  sort_rows({DType::float64, false, m.rows, m.categories, m.samples, times, times + n, m.out});
}

template <class T>
WeightError multinomial_of(const Multinomial& m) {
  const Record record;
  launch(&check_kernel<T>, static_cast<unsigned>(m.rows), kThreads, 0, stream(), m,
         static_cast<const T*>(m.weights), m.replacement ? int64_t{1} : m.samples, record.data());
  const Findings findings = record.read();
  for (const WeightError error : {WeightError::negative, WeightError::no_sum, WeightError::too_few})
    if (findings.at[static_cast<int>(error)]) return error;
  if (m.replacement)
    with_replacement<T>(m);
  else
    without_replacement<T>(m);
  return WeightError::none;
}

WeightError multinomial(const Multinomial& m) {
  if (m.rows == 0) return WeightError::none;
  return m.dtype == DType::float64 ? multinomial_of<double>(m) : multinomial_of<float>(m);
}

}  // namespace

LAMINA_CUDA_KERNELS(Sampling, sampling){&bernoulli, missing<"randperm">, &multinomial};

}  // namespace lamina::cuda

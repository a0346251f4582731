// Bags of a table's rows, without the rows in between.
//
// Forward a thread makes one feature of one bag, its rows in their order; neighbours read
// neighbouring features.  Backward of sums and means: the entries are sorted by row, and a thread
// adds up one feature of a row's entries (cuda/sorted_runs.h).  Of maxima: a thread takes one
// feature of all bags, in order.  No atomics.  Bound by bytes: forward each entry's row is read
// once, at random, with its position, and each bag's written, 4 F (entries + bags) + 8 entries
// bytes for F features in float32; backward reads dy once an entry and writes the table's gradient
// once, zeros too.  100,000 entries of 128 features in 10,000 bags are 57 MB forward, 13 us at the
// 4.3 TB/s that an H200 copies.  With few features the sectors count that a row's ends share with
// others.  Compiled and emulated, not yet run on a device.
#include "cuda/check_range.h"
#include "cuda/divide.h"
#include "cuda/reduce.h"
#include "cuda/sorted_runs.h"
#include "kernels/embedding_bag.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using kernels::BagMode;
using kernels::Bags;

constexpr int kThreads = 256;

// The row that entry k names; false for padding, and for a row that is none, which is recorded.
__device__ __forceinline__ bool row_of(const Bags& b, const RangeCheck& check, int64_t k,
                                       int64_t* row) {
  *row = b.index[k];
  return *row != b.padding && in_range(check, *row, 0, b.rows);
}

__device__ __forceinline__ int64_t shown_entries(const Bags& b, int64_t bag) {
  int64_t n = b.offsets[bag + 1] - b.offsets[bag];
  if (b.padding >= 0)
    for (int64_t k = b.offsets[bag]; k < b.offsets[bag + 1]; ++k) n -= b.index[k] == b.padding;
  return n;
}

// What a mean's sum is multiplied with.
template <class T>
__device__ __forceinline__ T scale_of(const Bags& b, int64_t bag) {
  const int64_t entries = b.mode == BagMode::mean ? shown_entries(b, bag) : 1;
  return T(1) / static_cast<T>(entries > 1 ? entries : 1);
}

// The last bag that begins at or before entry k: that of k, or of a later bag that is not empty.
__device__ __forceinline__ int64_t bag_of(const Bags& b, int64_t k) {
  int64_t low = 0, high = b.bags;  // offsets[low] <= k < offsets[high]
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (b.offsets[middle] <= k ? low : high) = middle;
  }
  return low;
}

template <class T>
__device__ __forceinline__ T bag_sum(const Bags& b, const RangeCheck& check, int64_t bag,
                                     const T* table, int64_t f) {
  const T* factors = static_cast<const T*>(b.factors);
  T sum = 0;
  int64_t row;
  for (int64_t k = b.offsets[bag]; k < b.offsets[bag + 1]; ++k)
    if (row_of(b, check, k, &row))
      sum += table[row * b.features + f] * (factors ? factors[k] : T(1));
  return sum * scale_of<T>(b, bag);
}

// Of equal maxima the first wins, NaN before any number.
template <class T>
__device__ __forceinline__ T bag_maximum(const Bags& b, const RangeCheck& check, int64_t bag,
                                         const T* table, int64_t f, int64_t* winner) {
  T best = 0;
  int64_t row, from = -1;
  for (int64_t k = b.offsets[bag]; k < b.offsets[bag + 1]; ++k) {
    if (!row_of(b, check, k, &row)) continue;
    const T value = table[row * b.features + f];
    if (from < 0 || value > best || (value != value && best == best)) {
      best = value;
      from = row;
    }
  }
  if (winner) *winner = from;
  return best;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    forward_kernel(const Bags b, const RangeCheck check, const WideDivisor features, const T* table,
                   T* out, int64_t* winners) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= b.bags * b.features) return;
  const int64_t bag = features.quotient(i), f = i - bag * b.features;
  out[i] = b.mode == BagMode::max
               ? bag_maximum(b, check, bag, table, f, winners ? winners + i : nullptr)
               : bag_sum(b, check, bag, table, f);
}

void forward(const Bags& b, const void* table, void* out, int64_t* winners) {
  visit_real(b.dtype, [&](auto element) {
    using T = decltype(element);
    launch(&forward_kernel<T>, blocks_for(b.bags * b.features, kThreads), kThreads, 0, stream(), b,
           range_check("embedding_bag"), WideDivisor(b.features), static_cast<const T*>(table),
           static_cast<T*>(out), winners);
  });
}

template <class T>
__global__ void __launch_bounds__(kThreads) scale_kernel(const Bags b, T* scales) {
  const int64_t bag = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (bag < b.bags) scales[bag] = scale_of<T>(b, bag);
}

// The bag of each entry and its row, kNoPlace for padding.
__global__ void __launch_bounds__(kThreads)
    entry_kernel(const Bags b, const RangeCheck check, int64_t* bags, int64_t* rows) {
  const int64_t k = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (k >= b.entries) return;
  bags[k] = bag_of(b, k);
  int64_t row;
  rows[k] = row_of(b, check, k, &row) ? row : kNoPlace;
}

// An entry's gradient is its bag's, scaled; entries of one row meet there.
template <class T>
struct EntryGradients {
  using Element = T;
  int64_t free;  // features
  const T* grad;
  const int64_t* bags;  // (entries)
  const T* scales;      // (bags)
  const T* factors;     // (entries), or null
  T* dtable;

  struct At {
    const EntryGradients& from;
    int64_t feature;

    __device__ __forceinline__ T value(int64_t entry) const {
      const int64_t bag = from.bags[entry];
      const T factor = from.factors ? from.factors[entry] : T(1);
      return from.grad[bag * from.free + feature] * (from.scales[bag] * factor);
    }
    __device__ __forceinline__ T& to(int64_t row) const {
      return from.dtable[row * from.free + feature];
    }
  };

  static __device__ __forceinline__ T combine(T old, T value) { return old + value; }
  __device__ __forceinline__ At at(int64_t feature) const { return {*this, feature}; }
};

template <class T>
__global__ void __launch_bounds__(kThreads)
    add_maxima_kernel(const Bags b, const T* grad, const int64_t* winners, T* dtable) {
  const int64_t f = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (f >= b.features) return;
  for (int64_t bag = 0; bag < b.bags; ++bag) {
    const int64_t row = winners[bag * b.features + f];
    if (row >= 0) dtable[row * b.features + f] += grad[bag * b.features + f];
  }
}

template <class T>
void add_sums(const Bags& b, const T* grad, T* dtable) {
  const DeviceScratch bags(static_cast<size_t>(b.entries) * sizeof(int64_t));
  const DeviceScratch scales(static_cast<size_t>(b.bags) * sizeof(T));
  launch(&scale_kernel<T>, blocks_for(b.bags, kThreads), kThreads, 0, stream(), b, scales.as<T>());
  const EntryGradients<T> gradients{
      b.features, grad, bags.as<int64_t>(), scales.as<T>(), static_cast<const T*>(b.factors),
      dtable};
  combine_runs(gradients, b.entries, [&](int64_t* rows) {
    launch(&entry_kernel, blocks_for(b.entries, kThreads), kThreads, 0, stream(), b,
           range_check("embedding_bag"), bags.as<int64_t>(), rows);
  });
}

void backward(const Bags& b, const void* grad, const int64_t* winners, void* dtable) {
  if (b.entries == 0 || b.features == 0) return;
  visit_real(b.dtype, [&](auto element) {
    using T = decltype(element);
    const T* from = static_cast<const T*>(grad);
    if (b.mode == BagMode::max)
      launch(&add_maxima_kernel<T>, blocks_for(b.features, kThreads), kThreads, 0, stream(), b,
             from, winners, static_cast<T*>(dtable));
    else
      add_sums(b, from, static_cast<T*>(dtable));
  });
}

// A warp an entry.
template <class T>
__global__ void __launch_bounds__(kThreads)
    factor_kernel(const Bags b, const RangeCheck check, const T* grad, const T* table,
                  T* dfactors) {
  const int64_t k = int64_t{blockIdx.x} * (kThreads / kWarpSize) + threadIdx.x / kWarpSize;
  if (k >= b.entries) return;
  T sum = 0;
  int64_t row;
  if (row_of(b, check, k, &row)) {
    const int64_t bag = bag_of(b, k);
    for (int64_t f = threadIdx.x % kWarpSize; f < b.features; f += kWarpSize)
      sum += grad[bag * b.features + f] * table[row * b.features + f];
  }
  sum = warp_reduce(sum, [](T a, T c) { return a + c; });
  if (threadIdx.x % kWarpSize == 0) dfactors[k] = sum;
}

void backward_factors(const Bags& b, const void* grad, const void* table, void* dfactors) {
  if (b.entries == 0) return;
  visit_real(b.dtype, [&](auto element) {
    using T = decltype(element);
    launch(&factor_kernel<T>, blocks_for(b.entries, kThreads / kWarpSize), kThreads, 0, stream(), b,
           range_check("embedding_bag"), static_cast<const T*>(grad), static_cast<const T*>(table),
           static_cast<T*>(dfactors));
  });
}

}  // namespace

LAMINA_CUDA_KERNELS(EmbeddingBag, embedding_bag){&forward, &backward, &backward_factors};

}  // namespace lamina::cuda

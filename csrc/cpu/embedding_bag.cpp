// Bags of a table's rows: a bag's result stays in registers while its rows stream by.
//
// Bound by bytes: each row is read once (a random access; the next rows' lines are asked for ahead),
// each result written once.  Backward shares rows of the table out by a hash, so that each is
// written by one thread, its entries in order: the same bits on any number of threads.
#include "kernels/embedding_bag.h"

#include "core/memory.h"
#include "cpu/lanes.h"
#include "cpu/loop.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::BagMode;
using kernels::Bags;

constexpr int kBlock = 8;      // vectors of features at once
constexpr int64_t kAhead = 4;  // rows between the one that is fetched and the one that is used
constexpr int64_t kLine = 64;  // bytes of a cache line

template <class T>
LAMINA_INLINE void fetch(const T* row, int64_t n) {
  for (int64_t i = 0; i < n; i += kLine / static_cast<int64_t>(sizeof(T)))
    __builtin_prefetch(row + i);
}

LAMINA_INLINE int64_t entries_of(const Bags& b, int64_t bag) {
  int64_t n = b.offsets[bag + 1] - b.offsets[bag];
  if (b.padding >= 0)
    for (int64_t k = b.offsets[bag]; k < b.offsets[bag + 1]; ++k) n -= b.index[k] == b.padding;
  return n;
}

// The features [f, f + kVectors * lanes) of one bag, the last `n` lanes of the last vector.
template <int kVectors, class T>
LAMINA_INLINE void sum_block(const Bags& b, int64_t bag, const T* table, int64_t f, int n, T scale,
                             T* out) {
  constexpr int64_t L = kLanes<T>;
  Vec<T> sums[kVectors] = {};
  const T* factors = static_cast<const T*>(b.factors);
  const int64_t end = b.offsets[bag + 1];
  for (int64_t k = b.offsets[bag]; k < end; ++k) {
    if (k + kAhead < b.entries) fetch(table + b.index[k + kAhead] * b.features + f, kVectors * L);
    if (b.index[k] == b.padding) continue;
    const T* row = table + b.index[k] * b.features + f;
    const T factor = factors ? factors[k] : T(1);
    for (int v = 0; v < kVectors; ++v)
      sums[v] += (v < kVectors - 1 ? load(row + v * L) : load_lanes(row + v * L, n)) * factor;
  }
  for (int v = 0; v < kVectors; ++v)
    store_lanes(out + v * L, Vec<T>(sums[v] * scale), v < kVectors - 1 ? static_cast<int>(L) : n);
}

template <class T>
void sum_bag(const Bags& b, int64_t bag, const T* table, T* out) {
  constexpr int64_t L = kLanes<T>;
  const int64_t entries = b.mode == BagMode::mean ? entries_of(b, bag) : 1;
  const T scale = T(1) / static_cast<T>(entries > 1 ? entries : 1);
  int64_t f = 0;
  for (; f + kBlock * L <= b.features; f += kBlock * L)
    sum_block<kBlock>(b, bag, table, f, static_cast<int>(L), scale, out + f);
  for (; f + 4 * L <= b.features; f += 4 * L)
    sum_block<4>(b, bag, table, f, static_cast<int>(L), scale, out + f);
  for (; f < b.features; f += L) {
    const int64_t left = b.features - f;
    sum_block<1>(b, bag, table, f, static_cast<int>(left < L ? left : L), scale, out + f);
  }
}

template <class T>
void max_bag(const Bags& b, int64_t bag, const T* table, T* out, int64_t* winners) {
  bool first = true;
  for (int64_t f = 0; f < b.features; ++f) out[f] = T(0);
  for (int64_t f = 0; winners && f < b.features; ++f) winners[f] = -1;
  for (int64_t k = b.offsets[bag]; k < b.offsets[bag + 1]; ++k) {
    const int64_t at = b.index[k];
    if (k + kAhead < b.entries) fetch(table + b.index[k + kAhead] * b.features, b.features);
    if (at == b.padding) continue;
    const T* row = table + at * b.features;
    for (int64_t f = 0; f < b.features; ++f) {
      const bool wins = first || row[f] > out[f] || (row[f] != row[f] && out[f] == out[f]);
      out[f] = wins ? row[f] : out[f];
      if (winners) winners[f] = wins ? at : winners[f];
    }
    first = false;
  }
}

// Bags of about `work` elements a chunk.
LAMINA_INLINE int64_t bags_a_chunk(const Bags& b) {
  const int64_t work = (b.entries / (b.bags + 1) + 1) * b.features + 1;
  return work < kLoopGrain ? kLoopGrain / work + 1 : 1;
}

void forward(const Bags& b, const void* table, void* out, int64_t* winners) {
  visit_real(b.dtype, [&](auto tag) {
    using T = decltype(tag);
    const T* rows = static_cast<const T*>(table);
    parallel_for(b.bags, bags_a_chunk(b), [&](int64_t begin, int64_t end) {
      for (int64_t bag = begin; bag < end; ++bag) {
        T* to = static_cast<T*>(out) + bag * b.features;
        if (b.mode == BagMode::max) {
          max_bag(b, bag, rows, to, winners ? winners + bag * b.features : nullptr);
        } else {
          sum_bag(b, bag, rows, to);
        }
      }
    });
  });
}

constexpr int kPartBits = 3, kParts = 1 << kPartBits;

LAMINA_INLINE int part_of(int64_t row) {  // Fibonacci hashing: even for any pattern of rows
  return static_cast<int>(static_cast<uint64_t>(row) * 0x9E3779B97F4A7C15u >> (64 - kPartBits));
}

struct Entry {
  int64_t entry, bag;
};

template <class T>
void add_sums(const Bags& b, const T* grad, T* dtable) {
  const Scratch scratch(static_cast<size_t>(b.entries) * sizeof(Entry)),
      scales(static_cast<size_t>(b.bags) * sizeof(T));
  Entry* order = scratch.as<Entry>();
  T* scale = scales.as<T>();
  int64_t first[kParts + 1] = {}, next[kParts];
  for (int64_t k = 0; k < b.entries; ++k) ++first[part_of(b.index[k]) + 1];
  for (int p = 0; p < kParts; ++p) {
    next[p] = first[p];
    first[p + 1] += first[p];
  }
  for (int64_t bag = 0; bag < b.bags; ++bag) {
    const int64_t entries = b.mode == BagMode::mean ? entries_of(b, bag) : 1;
    scale[bag] = T(1) / static_cast<T>(entries > 1 ? entries : 1);
    for (int64_t k = b.offsets[bag]; k < b.offsets[bag + 1]; ++k)
      order[next[part_of(b.index[k])]++] = {k, bag};
  }
  const T* factors = static_cast<const T*>(b.factors);
  parallel_for(kParts, b.entries * b.features < 2 * kLoopGrain ? kParts : 1,
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = first[begin]; i < first[end]; ++i) {
                   const int64_t k = order[i].entry, row = b.index[k];
                   if (row == b.padding) continue;
                   T* to = dtable + row * b.features;
                   const T* from = grad + order[i].bag * b.features;
                   const T factor = scale[order[i].bag] * (factors ? factors[k] : T(1));
                   for (int64_t f = 0; f < b.features; ++f) to[f] += from[f] * factor;
                 }
               });
}

// Columns in parallel, cut at whole cache lines.
template <class T>
void add_maxima(const Bags& b, const T* grad, const int64_t* winners, T* dtable) {
  constexpr int64_t kColumns = 2 * kLine / static_cast<int64_t>(sizeof(T));
  const int64_t blocks = (b.features + kColumns - 1) / kColumns;
  parallel_for(blocks, b.bags * b.features < kLoopGrain ? blocks : 1,
               [&](int64_t begin, int64_t end) {
                 const int64_t last = end * kColumns < b.features ? end * kColumns : b.features;
                 for (int64_t bag = 0; bag < b.bags; ++bag) {
                   for (int64_t f = begin * kColumns; f < last; ++f) {
                     const int64_t row = winners[bag * b.features + f];
                     if (row >= 0) dtable[row * b.features + f] += grad[bag * b.features + f];
                   }
                 }
               });
}

void backward(const Bags& b, const void* grad, const int64_t* winners, void* dtable) {
  visit_real(b.dtype, [&](auto tag) {
    using T = decltype(tag);
    if (b.mode == BagMode::max) {
      add_maxima(b, static_cast<const T*>(grad), winners, static_cast<T*>(dtable));
    } else {
      add_sums(b, static_cast<const T*>(grad), static_cast<T*>(dtable));
    }
  });
}

void backward_factors(const Bags& b, const void* grad, const void* table, void* dfactors) {
  visit_real(b.dtype, [&](auto tag) {
    using T = decltype(tag);
    constexpr int64_t L = kLanes<T>;
    parallel_for(b.bags, bags_a_chunk(b), [&](int64_t begin, int64_t end) {
      for (int64_t bag = begin; bag < end; ++bag) {
        const T* g = static_cast<const T*>(grad) + bag * b.features;
        for (int64_t k = b.offsets[bag]; k < b.offsets[bag + 1]; ++k) {
          const T* row = static_cast<const T*>(table) + b.index[k] * b.features;
          Vec<T> sums{};
          for (int64_t f = 0; f < b.features; f += L) {
            const int n = static_cast<int>(b.features - f < L ? b.features - f : L);
            sums += load_lanes(g + f, n) * load_lanes(row + f, n);
          }
          T sum = 0;
          for (int lane = 0; lane < L; ++lane) sum += sums[lane];
          static_cast<T*>(dfactors)[k] = b.index[k] == b.padding ? T(0) : sum;
        }
      }
    });
  });
}

}  // namespace

LAMINA_CPU_KERNELS(EmbeddingBag, embedding_bag){&forward, &backward, &backward_factors};

}  // namespace lamina::cpu::LAMINA_ISA

// Stable merge sort of (key, position) entries, bottom up.
//
// Keys of up to 32 bits share one word with the position, so that an entry is one integer and a
// comparison one instruction.  Two runs of equal length w are merged from both ends at once: w
// steps from the front and w from the back can leave neither run, so that no step checks a bound or
// branches.  Bound by the comparisons, n log2(n). The k first (k well below n) come from one pass
// that keeps what is smaller than the k-th of a buffer of 2k.
#include "kernels/sort.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/sort_key.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::Search;
using kernels::Sorted;

constexpr int64_t kBlock = 8192;  // entries that one chunk sorts by itself

// An entry whose key fits 32 bits, for rows of fewer than 2^32 elements.
struct Narrow {
  uint64_t word;

  LAMINA_INLINE static Narrow of(uint64_t key, int64_t position) {
    return {key << 32 | static_cast<uint64_t>(position)};
  }
  // a where `mask` is -1, b where it is 0.
  LAMINA_INLINE static Narrow select(int64_t mask, Narrow a, Narrow b) {
    return {b.word ^ ((a.word ^ b.word) & static_cast<uint64_t>(mask))};
  }
  LAMINA_INLINE uint64_t key() const { return word >> 32; }
  LAMINA_INLINE int64_t position() const { return static_cast<int64_t>(word & 0xffffffffu); }
  LAMINA_INLINE bool operator<(Narrow other) const { return word < other.word; }
};

struct Wide {
  uint64_t value;
  int64_t at;

  LAMINA_INLINE static Wide of(uint64_t key, int64_t position) { return {key, position}; }
  LAMINA_INLINE static Wide select(int64_t mask, const Wide& a, const Wide& b) {
    const auto m = static_cast<uint64_t>(mask);
    return {b.value ^ ((a.value ^ b.value) & m), b.at ^ ((a.at ^ b.at) & mask)};
  }
  LAMINA_INLINE uint64_t key() const { return value; }
  LAMINA_INLINE int64_t position() const { return at; }
  LAMINA_INLINE bool operator<(const Wide& other) const { return value < other.value; }
};

// Merges a[0..w) and b[0..w), of which a comes first, into out[0..2w).  Arithmetic on masks, since
// compilers turn some of the choices into branches, which random data mispredict.
template <class E>
LAMINA_INLINE void merge_equal(const E* a, const E* b, int64_t w, E* out) {
  const E *a_end = a + w - 1, *b_end = b + w - 1;
  E* back = out + 2 * w - 1;
  for (int64_t i = 0; i < w; ++i) {
    const E x = *a, y = *b, u = *a_end, v = *b_end;
    const int64_t second = -static_cast<int64_t>(y < x), first = -static_cast<int64_t>(v < u);
    out[i] = E::select(second, y, x);
    b -= second;
    a += 1 + second;
    *back-- = E::select(first, u, v);
    a_end += first;
    b_end -= 1 + first;
  }
}

template <class E>
LAMINA_INLINE void merge(const E* a, int64_t na, const E* b, int64_t nb, E* out) {
  if (na == nb) return merge_equal(a, b, na, out);
  int64_t i = 0, j = 0;
  while (i < na && j < nb) *out++ = b[j] < a[i] ? b[j++] : a[i++];
  while (i < na) *out++ = a[i++];
  while (j < nb) *out++ = b[j++];
}

// One level for the pair of runs at `start`: from[start..] to to[start..].
template <class E>
LAMINA_INLINE void merge_pair(const E* from, E* to, int64_t start, int64_t width, int64_t n) {
  const int64_t left = n - start < width ? n - start : width;
  const int64_t rest = n - start - left, right = rest < width ? rest : width;
  merge(from + start, left, from + start + left, right, to + start);
}

// Sorts entries[0..n) with `other` as space; gives whichever of the two holds the result.
template <class E>
E* merge_sort(E* entries, E* other, int64_t n) {
  for (int64_t width = 1; width < n; width *= 2) {
    for (int64_t start = 0; start < n; start += 2 * width)
      merge_pair(entries, other, start, width, n);
    E* swap = entries;
    entries = other;
    other = swap;
  }
  return entries;
}

template <class E>
E* parallel_merge_sort(E* entries, E* other, int64_t n) {
  if (n <= kBlock) return merge_sort(entries, other, n);
  // log2(kBlock) levels in every block, an odd number: the results are in `other`, also of a
  // shorter last block.
  static_assert(kBlock == 1 << 13);
  parallel_for(n, kBlock, [&](int64_t begin, int64_t end) {
    const int64_t size = end - begin;
    if (merge_sort(entries + begin, other + begin, size) == entries + begin)
      __builtin_memcpy(other + begin, entries + begin, static_cast<size_t>(size) * sizeof(E));
  });
  for (int64_t width = kBlock; width < n; width *= 2) {
    E* swap = entries;
    entries = other;
    other = swap;
    const int64_t pairs = (n + 2 * width - 1) / (2 * width);
    parallel_for(pairs, 1, [&](int64_t begin, int64_t) {
      merge_pair(entries, other, begin * 2 * width, width, n);
    });
  }
  return other;
}

template <class T>
LAMINA_INLINE auto key_of(T x, bool descending) {
  const auto key = sort_key(x);
  return descending ? ~key : key;
}

template <class E, class T>
E* sort_all(const T* src, int64_t n, bool descending, E* entries, E* other) {
  for (int64_t i = 0; i < n; ++i) entries[i] = E::of(key_of(src[i], descending), i);
  return parallel_merge_sort(entries, other, n);
}

// The k first seen so far, in order; an entry that comes before the last of them is inserted.
template <class E>
struct Shortlist {
  E* entries;
  int64_t k, filled = 0;

  LAMINA_INLINE bool full() const { return filled == k; }
  LAMINA_INLINE void add(E e) {
    int64_t i = full() ? k - 1 : filled++;
    for (; i > 0 && e < entries[i - 1]; --i) entries[i] = entries[i - 1];
    entries[i] = e;
  }
  LAMINA_INLINE E* sorted() const { return entries; }
};

// The same for more of them: twice as many entries are gathered before they are sorted.
template <class E>
struct Longlist {
  E *entries, *other;
  int64_t k, filled = 0;
  bool cut = false;  // whether entries[0..k) are the k first

  LAMINA_INLINE bool full() const { return cut; }
  LAMINA_INLINE void add(E e) {
    entries[filled++] = e;
    if (filled == 2 * k) {
      settle();
      filled = k;
      cut = true;
    }
  }
  LAMINA_INLINE void settle() {
    E* result = merge_sort(entries, other, filled);
    if (result != entries)
      __builtin_memcpy(entries, result, static_cast<size_t>(filled) * sizeof(E));
  }
  LAMINA_INLINE E* sorted() {
    settle();
    return entries;
  }
};

// Passes over whole blocks that hold nothing before the k-th so far.
template <class E, class T, class List>
LAMINA_INLINE E* sort_first(const T* src, int64_t n, bool descending, List list) {
  using K = decltype(key_of(T{}, false));
  constexpr int64_t kStep = 64;
  K keys[kStep], worst = ~K{0};
  for (int64_t start = 0; start < n; start += kStep) {
    const int64_t count = n - start < kStep ? n - start : kStep;
    K least = ~K{0};
    for (int64_t i = 0; i < count; ++i) {
      keys[i] = key_of(src[start + i], descending);
      least = keys[i] < least ? keys[i] : least;
    }
    if (list.full() && least >= worst) continue;
    for (int64_t i = 0; i < count; ++i) {
      if (list.full() && keys[i] >= worst) continue;
      list.add(E::of(keys[i], start + i));
      if (list.full()) worst = static_cast<K>(list.entries[list.k - 1].key());
    }
  }
  return list.sorted();
}

template <class E, class T>
void sort_rows(const Sorted& s) {
  // Below a quarter of the row, the pass that keeps k beats a full sort.
  const bool partial = s.k < s.n / 4;
  constexpr int64_t kShort = 16;
  const int64_t room = partial ? 2 * s.k : s.n;
  parallel_for(s.rows, s.n < kBlock ? kBlock / s.n : 1, [&](int64_t begin, int64_t end) {
    const Scratch scratch(static_cast<size_t>(2 * room) * sizeof(E));
    E* buffer = scratch.as<E>();
    for (int64_t r = begin; r < end; ++r) {
      const T* src = static_cast<const T*>(s.src) + r * s.n;
      E *other = buffer + room, *order;
      if (!partial) {
        order = sort_all<E>(src, s.n, s.descending, buffer, other);
      } else if (s.k <= kShort) {
        order = sort_first<E>(src, s.n, s.descending, Shortlist<E>{buffer, s.k});
      } else {
        order = sort_first<E>(src, s.n, s.descending, Longlist<E>{buffer, other, s.k});
      }
      T* values = static_cast<T*>(s.values) + r * s.k;
      int64_t* positions = s.positions + r * s.k;
      for (int64_t i = 0; i < s.k; ++i) {
        positions[i] = order[i].position();
        values[i] = src[positions[i]];
      }
    }
  });
}

void order(const Sorted& s) {
  visit(s.dtype, [&](auto tag) {
    using T = decltype(tag);
    if (sizeof(sort_key(tag)) == 4 && s.n < int64_t{1} << 32) {
      if constexpr (sizeof(sort_key(tag)) == 4) sort_rows<Narrow, T>(s);
    } else {
      sort_rows<Wide, T>(s);
    }
  });
}

void search(const Search& s) {
  visit(s.dtype, [&](auto tag) {
    using T = decltype(tag);
    parallel_for(s.rows * s.m, 1024, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const T* row = static_cast<const T*>(s.sorted) + (s.shared ? 0 : i / s.m * s.n);
        const auto key = sort_key(static_cast<const T*>(s.values)[i]);
        int64_t low = 0;
        for (int64_t left = s.n; left > 0;) {
          const int64_t half = left / 2;
          const auto probe = sort_key(row[low + half]);
          const bool after = s.right ? probe <= key : probe < key;
          low = after ? low + half + 1 : low;
          left = after ? left - half - 1 : half;
        }
        s.out[i] = low;
      }
    });
  });
}

int64_t runs(DType dtype, const void* values, int64_t n, int64_t* run) {
  int64_t count = 0;
  visit(dtype, [&](auto tag) {
    using T = decltype(tag);
    const T* v = static_cast<const T*>(values);
    run[0] = 0;
    for (int64_t i = 1; i < n; ++i) {
      const bool same = sort_key(v[i]) == sort_key(v[i - 1]) && v[i] == v[i];
      run[i] = count += !same;
    }
  });
  return count + 1;
}

}  // namespace

LAMINA_CPU_KERNELS(Sort, sort){&order, &search, &runs};

}  // namespace lamina::cpu::LAMINA_ISA

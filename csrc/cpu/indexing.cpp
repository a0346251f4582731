// Gather and scatter through integer positions, and the positions of a mask's set elements.
//
// A row whose index stays the same is a copy (memcpy) or a vectorised combination; else each
// element looks up its own position.  Bound by bytes where rows are long, by the cache misses of
// random rows or elements where they are short. A scatter runs elements that may meet in their
// order on one thread, so that sums have the same bits every time.
#include "kernels/indexing.h"

#include "core/memory.h"
#include "cpu/loop.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::Combine;
using kernels::kMaskChunk;
using kernels::Loop;
using kernels::Positions;
using kernels::Scatter;

LAMINA_INLINE void lower(int64_t* to, int64_t value) {
  int64_t seen = __atomic_load_n(to, __ATOMIC_RELAXED);
  while (value < seen &&
         !__atomic_compare_exchange_n(to, &seen, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}

LAMINA_INLINE void raise(int64_t* to, int64_t value) {
  int64_t seen = __atomic_load_n(to, __ATOMIC_RELAXED);
  while (value > seen &&
         !__atomic_compare_exchange_n(to, &seen, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}

void extent(const Loop<1>& index, int64_t* low, int64_t* high) {
  *low = __INT64_MAX__;
  *high = -__INT64_MAX__ - 1;
  for_each_row(index, {sizeof(int64_t)}, [&](const Row<1>& row) {
    const int64_t* p = row.as<const int64_t>(0);
    int64_t least = p[0], greatest = p[0];
    if (row.stride[0] == 1) {
      for (int64_t i = 0; i < row.n; ++i) {
        least = p[i] < least ? p[i] : least;
        greatest = p[i] > greatest ? p[i] : greatest;
      }
    } else {
      for (int64_t i = 0; i < row.n; ++i) {
        const int64_t v = p[i * row.stride[0]];
        least = v < least ? v : least;
        greatest = v > greatest ? v : greatest;
      }
    }
    lower(low, least);
    raise(high, greatest);
  });
}

void places(const Loop<2>& loop, const Positions& positions, bool add) {
  const int64_t size = positions.size, scale = positions.scale;
  for_each_row(loop, {sizeof(int64_t), sizeof(int64_t)}, [&](const Row<2>& row) {
    int64_t* place = row.as<int64_t>(0);
    const int64_t* index = row.as<const int64_t>(1);
    for (int64_t i = 0; i < row.n; ++i) {
      const int64_t v = index[i * row.stride[1]];
      const int64_t step = (v < 0 && positions.op ? v + size : v) * scale;
      int64_t& p = place[i * row.stride[0]];
      p = add ? p + step : step;
    }
  });
}

template <class T>
LAMINA_INLINE void gather_row(const Row<3>& row, int64_t scale) {
  T* __restrict out = row.as<T>(0);
  const T* src = row.as<const T>(1);
  const int64_t* index = row.as<const int64_t>(2);
  const int64_t n = row.n, so = row.stride[0], ss = row.stride[1], si = row.stride[2];
  if (si == 0) {
    src += *index * scale;
    if (so == 1 && ss == 1) {
      __builtin_memcpy(out, src, static_cast<size_t>(n) * sizeof(T));
    } else {
      for (int64_t i = 0; i < n; ++i) out[i * so] = src[i * ss];
    }
  } else if (so == 1 && ss == 0 && si == 1) {
    for (int64_t i = 0; i < n; ++i) out[i] = src[index[i] * scale];
  } else {
    for (int64_t i = 0; i < n; ++i) out[i * so] = src[i * ss + index[i * si] * scale];
  }
}

// Rows are fetched so many turns before they are needed: their places are random, but known.
constexpr int64_t kAhead = 6, kCacheLine = 64;

LAMINA_INLINE void fetch_row(const void* row, int64_t bytes, bool to_write) {
  constexpr int64_t kLines = 8;  // the processor guesses the rest
  const char* p = static_cast<const char*>(row);
  for (int64_t at = 0; at < bytes && at < kLines * kCacheLine; at += kCacheLine)
    to_write ? __builtin_prefetch(p + at, 1) : __builtin_prefetch(p + at, 0);
}

// Whole rows, such as an embedding's.
template <class T>
void gather_rows(const Loop<3>& loop, int64_t scale) {
  constexpr int64_t L = kLanes<T>;
  const int64_t rows = loop.shape[0], n = loop.shape[1], step = loop.strides[2][0];
  const T* src = static_cast<const T*>(loop.data[1]);
  const int64_t* index = static_cast<const int64_t*>(loop.data[2]);
  const auto place = [&](int64_t r) {
    return src + r * loop.strides[1][0] + index[r * step] * scale;
  };
  parallel_for(rows, kLoopGrain / n + 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      if (r + kAhead < end)
        fetch_row(place(r + kAhead), n * static_cast<int64_t>(sizeof(T)), false);
      T* out = static_cast<T*>(loop.data[0]) + r * loop.strides[0][0];
      const T* from = place(r);
      int64_t i = 0;
      for (; i + L <= n; i += L) store(out + i, load(from + i));
      for (; i < n; ++i) out[i] = from[i];
    }
  });
}

template <class T>
void gather_as(const Loop<3>& loop, int64_t scale) {
  const auto contiguous = [&](int k) { return loop.strides[k][1] == 1; };
  if (loop.rank == 2 && loop.strides[2][1] == 0 && contiguous(0) && contiguous(1))
    return gather_rows<T>(loop, scale);
  for_each_row(loop, {sizeof(T), sizeof(T), sizeof(int64_t)},
               [&](const Row<3>& row) { gather_row<T>(row, scale); });
}

void gather(size_t itemsize, const Loop<3>& loop, const Positions& positions) {
  const int64_t scale = positions.scale;
  switch (itemsize) {
    case 1:
      return gather_as<uint8_t>(loop, scale);
    case 2:
      return gather_as<uint16_t>(loop, scale);
    case 4:
      return gather_as<uint32_t>(loop, scale);
    default:
      return gather_as<uint64_t>(loop, scale);
  }
}

// What two elements of a 16-bit float are combined in.
template <class T>
struct Wide {
  using Type = T;
};
template <>
struct Wide<float16> {
  using Type = float;
};
template <>
struct Wide<bfloat16> {
  using Type = float;
};

template <Combine combine, class T>
LAMINA_INLINE T combined(T old, T value) {
  using C = typename Wide<T>::Type;
  if constexpr (combine == Combine::assign) {
    return value;
  } else if constexpr (__is_same(T, bool)) {
    constexpr bool any = combine == Combine::add || combine == Combine::maximum;
    return any ? old || value : old && value;
  } else {
    const C a = static_cast<C>(old), b = static_cast<C>(value);
    if constexpr (combine == Combine::add) return static_cast<T>(a + b);
    if constexpr (combine == Combine::multiply) return static_cast<T>(a * b);
    // NaN in either gives NaN.
    if constexpr (combine == Combine::maximum) return a > b || a != a ? old : value;
    if constexpr (combine == Combine::minimum) return a < b || a != a ? old : value;
  }
}

template <Combine combine, class T>
LAMINA_INLINE void scatter_row(T* dst, const T* src, const int64_t* index, int64_t n, int64_t sd,
                               int64_t ss, int64_t si, int64_t scale) {
  if (si == 0) {
    dst += *index * scale;
    if (sd == 1 && ss == 1) {
      for (int64_t i = 0; i < n; ++i) dst[i] = combined<combine>(dst[i], src[i]);
    } else {
      for (int64_t i = 0; i < n; ++i) dst[i * sd] = combined<combine>(dst[i * sd], src[i * ss]);
    }
  } else {
    for (int64_t i = 0; i < n; ++i) {
      T& to = dst[i * sd + index[i * si] * scale];
      to = combined<combine>(to, src[i * ss]);
    }
  }
}

// One unit: all serial dimensions, for elements [start, start + n) of the rows at `offset`.
template <Combine combine, class T>
LAMINA_INLINE void scatter_rows(const Scatter& s, const int64_t (&base)[3], int64_t rows,
                                int64_t start, int64_t n) {
  const Loop<3>& loop = s.loop;
  const int last = loop.rank - 1;
  const int64_t sd = loop.strides[0][last], ss = loop.strides[1][last], si = loop.strides[2][last];
  int64_t position[kernels::kMaxLoopRank] = {};
  int64_t offset[3] = {base[0] + start * sd, base[1] + start * ss, base[2] + start * si};
  for (int64_t row = 0; row < rows; ++row) {
    scatter_row<combine>(
        static_cast<T*>(loop.data[0]) + offset[0], static_cast<const T*>(loop.data[1]) + offset[1],
        static_cast<const int64_t*>(loop.data[2]) + offset[2], n, sd, ss, si, s.positions.scale);
    for (int d = last - 1; d >= s.serial; --d) {
      for (int k = 0; k < 3; ++k) offset[k] += loop.strides[k][d];
      if (++position[d] < loop.shape[d]) break;
      for (int k = 0; k < 3; ++k) offset[k] -= loop.strides[k][d] * loop.shape[d];
      position[d] = 0;
    }
  }
}

// Whole rows, such as an embedding's gradients: shared out by destination, so that each destination
// keeps its order.
constexpr int kPartBits = 3, kParts = 1 << kPartBits;

LAMINA_INLINE int part_of(int64_t index) {  // Fibonacci hashing: even for any pattern of positions
  return static_cast<int>(static_cast<uint64_t>(index) * 0x9E3779B97F4A7C15u >> (64 - kPartBits));
}

template <Combine combine, class T>
void scatter_long_rows(const Scatter& s, int64_t rows, int64_t inner) {
  const Loop<3>& loop = s.loop;
  const int64_t step = loop.strides[2][0], bytes = inner * static_cast<int64_t>(sizeof(T));
  const int64_t* index = static_cast<const int64_t*>(loop.data[2]);
  const Scratch scratch(static_cast<size_t>(rows) * sizeof(int64_t));
  int64_t* order = scratch.as<int64_t>();
  int64_t first[kParts + 1] = {}, next[kParts];
  for (int64_t j = 0; j < rows; ++j) ++first[part_of(index[j * step]) + 1];
  for (int p = 0; p < kParts; ++p) {
    next[p] = first[p];
    first[p + 1] += first[p];
  }
  for (int64_t j = 0; j < rows; ++j) order[next[part_of(index[j * step])]++] = j;
  parallel_for(kParts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = first[begin]; k < first[end]; ++k) {
      const int64_t j = order[k];
      if (k + kAhead < first[end]) {
        const int64_t ahead = order[k + kAhead];
        fetch_row(static_cast<T*>(loop.data[0]) + index[ahead * step] * s.positions.scale, bytes,
                  true);
        fetch_row(static_cast<const T*>(loop.data[1]) + ahead * loop.strides[1][0], bytes, false);
      }
      scatter_row<combine>(static_cast<T*>(loop.data[0]),
                           static_cast<const T*>(loop.data[1]) + j * loop.strides[1][0],
                           index + j * step, inner, loop.strides[0][1], loop.strides[1][1], 0,
                           s.positions.scale);
    }
  });
}

template <Combine combine, class T>
void scatter_as(const Scatter& s) {
  const Loop<3>& loop = s.loop;
  const int last = loop.rank - 1;
  const int64_t inner = loop.shape[last];
  int64_t outer = 1, rows = 1;
  for (int d = 0; d < s.serial; ++d) outer *= loop.shape[d];
  for (int d = s.serial; d < last; ++d) rows *= loop.shape[d];
  if (outer == 0 || rows == 0 || inner == 0) return;
  if (s.serial == 0 && last == 1 && s.free_rows && loop.strides[2][last] == 0 &&
      rows * inner >= 2 * kLoopGrain)
    return scatter_long_rows<combine, T>(s, rows, inner);
  // Long rows are cut where that is allowed, into pieces long enough to be fetched ahead.
  constexpr int64_t kLeast = 1024 / static_cast<int64_t>(sizeof(T));
  int64_t block = inner;
  if (s.free_rows) {
    block = rows < kLoopGrain ? kLoopGrain / rows : 1;
    block = block < kLeast ? kLeast : block;
    block = block < inner ? block : inner;
  }
  const int64_t blocks = (inner + block - 1) / block, work = rows * block;
  parallel_for(outer * blocks, work < kLoopGrain ? kLoopGrain / work : 1,
               [&](int64_t begin, int64_t end) {
                 for (int64_t unit = begin; unit < end; ++unit) {
                   int64_t rest = unit / blocks, base[3] = {};
                   const int64_t start = unit % blocks * block;
                   for (int d = s.serial - 1; d >= 0; --d) {
                     for (int k = 0; k < 3; ++k)
                       base[k] += rest % loop.shape[d] * loop.strides[k][d];
                     rest /= loop.shape[d];
                   }
                   scatter_rows<combine, T>(s, base, rows, start,
                                            inner - start < block ? inner - start : block);
                 }
               });
}

template <Combine combine>
void scatter_with(const Scatter& s) {
  visit(s.dtype, [&](auto tag) { scatter_as<combine, decltype(tag)>(s); });
}

void scatter(const Scatter& s) {
  switch (s.combine) {
    case Combine::assign:
      switch (itemsize(s.dtype)) {
        case 1:
          return scatter_as<Combine::assign, uint8_t>(s);
        case 2:
          return scatter_as<Combine::assign, uint16_t>(s);
        case 4:
          return scatter_as<Combine::assign, uint32_t>(s);
        default:
          return scatter_as<Combine::assign, uint64_t>(s);
      }
    case Combine::add:
      return scatter_with<Combine::add>(s);
    case Combine::multiply:
      return scatter_with<Combine::multiply>(s);
    case Combine::maximum:
      return scatter_with<Combine::maximum>(s);
    case Combine::minimum:
      return scatter_with<Combine::minimum>(s);
  }
}

int64_t set_elements(const uint8_t* mask, int64_t n) {
  int64_t set = 0;
  for (int64_t i = 0; i < n; ++i) set += mask[i] != 0;
  return set;
}

void count(const uint8_t* mask, int64_t n, int64_t* counts) {
  parallel_for(n, kMaskChunk, [&](int64_t begin, int64_t end) {
    counts[begin / kMaskChunk] = set_elements(mask + begin, end - begin);
  });
}

// No branch asks whether an element is set, which may be as unforeseeable as a coin: its position is
// stored, and the next one over it where it was not.  After the last set element nothing is stored:
// the place belongs to the next chunk.
void nonzero(const uint8_t* mask, int rank, const int64_t* shape, const int64_t* weight,
             const int64_t* starts, int64_t* out, int64_t stride) {
  int64_t n = 1;
  for (int d = 0; d < rank; ++d) n *= shape[d];
  const int64_t inner = shape[rank - 1], step = weight[rank - 1];
  parallel_for(n, kMaskChunk, [&](int64_t begin, int64_t end) {
    int64_t* to = out + starts[begin / kMaskChunk] * stride;
    int64_t left = set_elements(mask + begin, end - begin);
    for (int64_t i = begin; left > 0;) {
      // The rest of the row that element i is in.
      int64_t rest = i / inner, column = i % inner, sum = 0;
      for (int d = rank - 2; d >= 0; --d) {
        sum += rest % shape[d] * weight[d];
        rest /= shape[d];
      }
      const int64_t row_end = i + (inner - column), stop = row_end < end ? row_end : end;
      sum += column * step;
      while (i < stop && left > 0) {
        uint64_t eight = 1;
        if (stop - i >= 8) __builtin_memcpy(&eight, mask + i, 8);
        const int64_t block = stop - i < 8 ? stop - i : 8;
        if (eight == 0) {
          i += block;
          sum += block * step;
          continue;
        }
        for (const int64_t last = i + block; i < last && left > 0; ++i, sum += step) {
          *to = sum;
          const int64_t set = mask[i] != 0;
          to += set * stride;
          left -= set;
        }
      }
    }
  });
}

int64_t prefix(const int64_t* counts, int64_t n, int64_t* starts) {
  int64_t total = 0;
  for (int64_t i = 0; i < n; ++i) {
    starts[i] = total;
    total += counts[i];
  }
  return total;
}

void repeat(const int64_t* counts, const int64_t* starts, int64_t n, int64_t* out) {
  parallel_for(n, 1024, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      for (int64_t k = 0; k < counts[i]; ++k) out[starts[i] + k] = i;
  });
}

}  // namespace

LAMINA_CPU_KERNELS(Indexing, indexing){&extent, &places,  &gather, &scatter,
                                       &count,  &nonzero, &prefix, &repeat};

}  // namespace lamina::cpu::LAMINA_ISA

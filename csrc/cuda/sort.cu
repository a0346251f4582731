// Sorting of (key, position) entries; binary search; runs of equal elements.
//
// No two entries are equal, so that no step need be stable for the sort to be.  A block sorts tiles
// of up to 1024 entries in shared memory by a bitonic network (Batcher 1968).  Longer rows are then
// merged in pairs of runs: each entry finds by binary search how many of the other run come before
// it, and so its place.  Where at most half a tile is wanted, the rest of every tile is dropped
// instead, until one tile is left.  Bound by bytes while sorting tiles, which are read and written
// once, and by the searches' latency in the L2 cache, log2(n) reads an entry and pass, while
// merging.  1e6 float32 in one row with their positions: the tiles' pass reads 4 MB and writes
// entries once, and ten merges follow.  Compiled and emulated, not yet run on a device.
#include "cuda/launch.h"
#include "cuda/read_back.h"
#include "cuda/scan.h"
#include "cuda/scratch.h"
#include "cuda/sort.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using kernels::Search;
using kernels::Sorted;

#include "kernels/sort_key.inc"

constexpr int kThreads = 256, kTile = 1024;

// An entry whose key fits 32 bits, for rows of fewer than 2^32 - 1 elements.
struct Narrow {
  uint64_t word;

  static __device__ Narrow of(uint64_t key, int64_t position) {
    return {key << 32 | static_cast<uint64_t>(position)};
  }
  static __device__ Narrow last() { return {~uint64_t{0}}; }
  __device__ int64_t position() const { return static_cast<int64_t>(word & 0xffffffffu); }
  __device__ bool operator<(Narrow other) const { return word < other.word; }
};

struct Wide {
  uint64_t key;
  uint64_t at;

  static __device__ Wide of(uint64_t key, int64_t position) {
    return {key, static_cast<uint64_t>(position)};
  }
  static __device__ Wide last() { return {~uint64_t{0}, ~uint64_t{0}}; }
  __device__ int64_t position() const { return static_cast<int64_t>(at); }
  __device__ bool operator<(Wide other) const {
    return key < other.key || (key == other.key && at < other.at);
  }
};

// A row's first k entries become its results.
template <class T>
struct Results {
  const T* src;  // (rows, n)
  int64_t n, k;
  T* values;  // (rows, k)
  int64_t* positions;

  template <class E>
  __device__ void put(int64_t row, int64_t i, E entry) const {
    if (i >= k) return;
    const int64_t position = entry.position();
    positions[row * k + i] = position;
    values[row * k + i] = src[row * n + position];
  }
};

// Tiles of `size` entries, a power of two, of each row; `left` of the sources are still in the race.
struct Tiles {
  int64_t rows, left, tiles;
  int size;
  bool descending;
  int64_t keep;  // entries of each tile that go to `to`; 0: the results are done
};

template <class E, class T>
__device__ __forceinline__ E entry_at(const Results<T>& r, const Tiles& t, const E* from,
                                      int64_t row, int64_t i) {
  if (from) return from[row * t.left + i];
  const auto key = sort_key(r.src[row * r.n + i]);
  return E::of(t.descending ? ~key : key, i);
}

// Sorts each part of `size` entries of the tile.
template <class E>
__device__ __forceinline__ void sort_parts(E* tile, unsigned size) {
  for (unsigned run = 2; run <= size; run *= 2) {
    for (unsigned apart = run / 2; apart > 0; apart /= 2) {
      __syncthreads();
      for (unsigned pair = threadIdx.x; pair < kTile / 2; pair += kThreads) {
        const unsigned low = pair / apart * 2 * apart + pair % apart, high = low + apart;
        const bool ascending = (low & (size - 1) & run) == 0;
        const E a = tile[low], b = tile[high];
        if ((b < a) == ascending) {
          tile[low] = b;
          tile[high] = a;
        }
      }
    }
  }
  __syncthreads();
}

// A block takes kTile / size tiles.
template <class E, class T>
__global__ void __launch_bounds__(kThreads)
    tile_kernel(const Results<T> r, const Tiles t, const E* from, E* to) {
  LAMINA_SHARED(E, tile, [kTile]);
  const int64_t first = int64_t{blockIdx.x} * (kTile / t.size);
  for (int slot = threadIdx.x; slot < kTile; slot += kThreads) {
    const int64_t unit = first + slot / t.size, row = unit / t.tiles;
    const int64_t i = unit % t.tiles * t.size + slot % t.size;
    tile[slot] = row < t.rows && i < t.left ? entry_at(r, t, from, row, i) : E::last();
  }
  sort_parts(tile, static_cast<unsigned>(t.size));
  const int64_t full = t.keep < t.size ? t.keep : t.size;  // entries of every tile but the last
  const int64_t rest = t.left - (t.tiles - 1) * t.size, short_one = rest < full ? rest : full;
  const int64_t a_row = (t.tiles - 1) * full + short_one;
  for (int slot = threadIdx.x; slot < kTile; slot += kThreads) {
    const int64_t unit = first + slot / t.size, row = unit / t.tiles, at = unit % t.tiles;
    const int i = slot % t.size;
    if (row >= t.rows || at * t.size + i >= t.left) continue;
    if (t.keep == 0)
      r.put(row, i, tile[slot]);
    else if (i < full)
      to[row * a_row + at * full + i] = tile[slot];
  }
}

// How many of entries[0..n) come before e.
template <class E>
__device__ __forceinline__ int64_t count_before(const E* entries, int64_t n, E e) {
  int64_t low = 0;
  while (n > 0) {
    const int64_t half = n / 2;
    const bool after = entries[low + half] < e;
    low = after ? low + half + 1 : low;
    n = after ? n - half - 1 : half;
  }
  return low;
}

// Merges pairs of runs of `width`; to the results where that is one run a row.
template <class E, class T>
__global__ void __launch_bounds__(kThreads)
    merge_kernel(const Results<T> r, int64_t total, int64_t width, const E* from, E* to) {
  const int64_t thread = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (thread >= total) return;
  const int64_t row = thread / r.n, i = thread % r.n, start = i / (2 * width) * (2 * width);
  const E* run = from + row * r.n + start;
  const int64_t left = r.n - start, n = left < width ? left : width;
  const int64_t others = left - n < width ? left - n : width, at = i - start;
  const E e = run[at];
  const int64_t place =
      at < n ? at + count_before(run + n, others, e) : at - n + count_before(run, n, e);
  if (2 * width >= r.n)
    r.put(row, place, e);
  else
    to[row * r.n + start + place] = e;
}

int power_of_two(int64_t n) {
  int size = 1;
  while (size < n && size < kTile) size *= 2;
  return size;
}

// One pass over all tiles; gives how many entries of a row are left.
template <class E, class T>
int64_t sort_tiles(const Results<T>& r, Tiles t, const E* from, E* to) {
  t.size = power_of_two(t.left);
  t.tiles = (t.left + t.size - 1) / t.size;
  launch(&tile_kernel<E, T>, blocks_for(t.rows * t.tiles, kTile / t.size), kThreads, 0, stream(), r,
         t, from, to);
  const int64_t rest = t.left - (t.tiles - 1) * t.size;
  return (t.tiles - 1) * t.keep + (rest < t.keep ? rest : t.keep);
}

template <class E, class T>
void sort_as(const Sorted& s) {
  const Results<T> r{static_cast<const T*>(s.src), s.n, s.k, static_cast<T*>(s.values),
                     s.positions};
  Tiles t{s.rows, s.n, 1, 1, s.descending, 0};
  if (s.n <= kTile) {
    sort_tiles<E, T>(r, t, nullptr, nullptr);
    return;
  }
  const DeviceScratch scratch(2 * sizeof(E) * static_cast<size_t>(s.rows * s.n));
  E *from = scratch.as<E>(), *to = from + s.rows * s.n;
  const auto swap = [&] {
    E* const was = from;
    from = to;
    to = was;
  };
  if (s.k <= kTile / 2) {
    t.keep = s.k;
    for (const E* source = nullptr; t.left > kTile; source = from) {
      t.left = sort_tiles<E, T>(r, t, source, to);
      swap();
    }
    t.keep = 0;
    sort_tiles<E, T>(r, t, from, nullptr);
    return;
  }
  t.keep = kTile;
  sort_tiles<E, T>(r, t, nullptr, from);
  const int64_t total = s.rows * s.n;
  for (int64_t width = kTile; width < s.n; width *= 2) {
    launch(&merge_kernel<E, T>, blocks_for(total, kThreads), kThreads, 0, stream(), r, total, width,
           static_cast<const E*>(from), to);
    swap();
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) search_kernel(const Search s) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= s.rows * s.m) return;
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

void search(const Search& s) {
  visit(s.dtype, [&](auto tag) {
    launch(&search_kernel<decltype(tag)>, blocks_for(s.rows * s.m, kThreads), kThreads, 0, stream(),
           s);
  });
}

// differs[i]: whether element i > 0 is not its predecessor.
template <class T>
__global__ void __launch_bounds__(kThreads)
    differ_kernel(int64_t n, const T* values, int64_t* differs) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= n) return;
  const T x = values[i];
  const bool same = i == 0 || (sort_key(x) == sort_key(values[i - 1]) && x == x);
  differs[i] = !same;
}

int64_t runs(DType dtype, const void* values, int64_t n, int64_t* run) {
  visit(dtype, [&](auto tag) {
    using T = decltype(tag);
    launch(&differ_kernel<T>, blocks_for(n, kThreads), kThreads, 0, stream(), n,
           static_cast<const T*>(values), run);
  });
  running_sum(run, n, run);
  return read_back(run + n - 1) + 1;
}

}  // namespace

void sort_rows(const Sorted& s) {
  visit(s.dtype, [&](auto tag) {
    using T = decltype(tag);
    if constexpr (sizeof(sort_key(tag)) == 4) {
      if (s.n < (int64_t{1} << 32) - 1) return sort_as<Narrow, T>(s);
    }
    sort_as<Wide, T>(s);
  });
}

LAMINA_CUDA_KERNELS(Sort, sort){&sort_rows, &search, &runs};

}  // namespace lamina::cuda

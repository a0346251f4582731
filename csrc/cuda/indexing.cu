// Gather and scatter through integer positions, and the positions of a mask's set elements.
//
// A gather takes an element a thread; rows that lie together move as elements of up to 16 bytes.
// Elements of a scatter that may meet are combined in their order, without atomics: by one thread a
// place where places are many, else after a stable sort of the positions, where the first of each run
// of equal ones does the run (an embedding's gradient: a thread a token's feature), long runs in
// parts.  Sums have the CPU's bits unless a long run is cut.  Bound by bytes where rows are long, by
// the sectors of random elements where they are short.
#include <type_traits>

#include "cuda/block_scan.h"
#include "cuda/check_range.h"
#include "cuda/convert.h"
#include "cuda/loops.h"
#include "cuda/read_back.h"
#include "cuda/reduce.h"
#include "cuda/scan.h"
#include "cuda/scratch.h"
#include "cuda/sort.h"
#include "kernels/indexing.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using kernels::Combine;
using kernels::kMaskChunk;
using kernels::Loop;
using kernels::Positions;
using kernels::Scatter;

constexpr int kThreads = 256;
constexpr int64_t kInt64Max = INT64_MAX;

// Where positions lead, as an argument of kernels.
struct Steps {
  RangeCheck check;
  bool are_places;
  int64_t low, size, scale;

  explicit Steps(const Positions& p)
      : check(range_check(p.op ? p.op : "")),
        are_places(p.op == nullptr),
        low(p.low),
        size(p.size),
        scale(p.scale) {}

  // False where the position is out of range; that is recorded then.
  __device__ __forceinline__ bool place(int64_t position, int64_t* elements) const {
    if (!are_places) {
      if (!in_range(check, position, low, size)) return false;
      if (position < 0) position += size;
    }
    *elements = position * scale;
    return true;
  }
};

// ---- gather

using Quad = Pack<uint32_t>;  // 16 bytes

template <class T>
__global__ void __launch_bounds__(kThreads)
    gather_kernel(const Walk<3> walk, const Steps steps, T* out, const T* src,
                  const int64_t* index) {
  const unsigned i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= walk.n) return;
  int64_t at[3], place;
  walk.offsets(i, at);
  out[at[0]] = steps.place(index[at[2]], &place) ? src[at[1] + place] : T{};
}

// Makes elements that lie together, two operands' along the innermost dimension, one of up to 16
// bytes; gives its size.
size_t widen(size_t itemsize, Loop<3>& loop, int64_t& scale) {
  const int last = loop.rank - 1;
  if (loop.strides[0][last] != 1 || loop.strides[1][last] != 1 || loop.strides[2][last] != 0)
    return itemsize;
  const auto fits = [&](size_t wide) {
    const auto by = static_cast<int64_t>(wide / itemsize);
    bool all = loop.shape[last] % by == 0 && scale % by == 0;
    for (int k = 0; k < 2; ++k) {
      all &= reinterpret_cast<uintptr_t>(loop.data[k]) % wide == 0;
      for (int d = 0; d < last; ++d) all &= loop.strides[k][d] % by == 0;
    }
    return all;
  };
  size_t wide = sizeof(Quad);
  while (wide > itemsize && !fits(wide)) wide /= 2;
  const auto by = static_cast<int64_t>(wide / itemsize);
  loop.shape[last] /= by;
  scale /= by;
  for (int k = 0; k < 2; ++k)
    for (int d = 0; d < last; ++d) loop.strides[k][d] /= by;
  return wide;
}

// f(T{}) with a type of that many bytes.
template <class F>
void visit_size(size_t itemsize, F f) {
  switch (itemsize) {
    case 1:
      return f(uint8_t{});
    case 2:
      return f(uint16_t{});
    case 4:
      return f(uint32_t{});
    case 8:
      return f(uint64_t{});
    default:
      return f(Quad{});
  }
}

void gather(size_t itemsize, const Loop<3>& given, const Positions& given_positions) {
  Loop<3> loop = given;
  Positions positions = given_positions;
  visit_size(widen(itemsize, loop, positions.scale), [&](auto tag) {
    using T = decltype(tag);
    for_parts(loop, {sizeof(T), sizeof(T), sizeof(int64_t)}, [&](const Loop<3>& part) {
      const Walk<3> walk(part);
      launch(&gather_kernel<T>, blocks_for(walk.n, kThreads), kThreads, 0, stream(), walk,
             Steps(positions), static_cast<T*>(part.data[0]), static_cast<const T*>(part.data[1]),
             static_cast<const int64_t*>(part.data[2]));
    });
  });
}

// ---- scatter

template <Combine combine, class T>
__device__ __forceinline__ T combined(T old, T value) {
  if constexpr (combine == Combine::assign) {
    return value;
  } else if constexpr (std::is_same_v<T, bool>) {
    constexpr bool any = combine == Combine::add || combine == Combine::maximum;
    return any ? old || value : old && value;
  } else {
    using C = std::conditional_t<kHalf<T>, float, T>;
    const C a = convert<C>(old), b = convert<C>(value);
    if constexpr (combine == Combine::add) return convert<T>(static_cast<C>(a + b));
    if constexpr (combine == Combine::multiply) return convert<T>(static_cast<C>(a * b));
    // NaN in either gives NaN.
    if constexpr (combine == Combine::maximum) return a > b || a != a ? old : value;
    if constexpr (combine == Combine::minimum) return a < b || a != a ? old : value;
  }
}

// `free` runs over elements that never meet, `serial` over those that may.
template <class T>
struct Meeting {
  Walk<3> free, serial;  // dst, src, index
  T* dst;
  const T* src;  // null: `number`
  T number;
  const int64_t* index;

  __device__ __forceinline__ T value(int64_t at) const { return src ? src[at] : number; }
};

// A thread does all elements that may meet, one after the other.
template <Combine combine, class T>
__global__ void __launch_bounds__(kThreads) direct_kernel(const Meeting<T> m, const Steps steps) {
  const unsigned i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= m.free.n) return;
  int64_t base[3];
  m.free.offsets(i, base);
  for (unsigned j = 0; j < m.serial.n; ++j) {
    int64_t at[3], place;
    m.serial.offsets(j, at);
    if (!steps.place(m.index[base[2] + at[2]], &place)) continue;
    T& to = m.dst[base[0] + at[0] + place];
    to = combined<combine>(to, m.value(base[1] + at[1]));
  }
}

// keys[j]: the place of serial element j, or kInt64Max.
template <class T>
__global__ void __launch_bounds__(kThreads)
    key_kernel(const Meeting<T> m, const Steps steps, int64_t* keys) {
  const unsigned j = blockIdx.x * kThreads + threadIdx.x;
  if (j >= m.serial.n) return;
  int64_t at[3], place;
  m.serial.offsets(j, at);
  keys[j] = steps.place(m.index[at[2]], &place) ? at[0] + place : kInt64Max;
}

// Runs longer than kPiece are cut where its multiples lie that far behind their beginning, so that a
// place where many elements meet is no single thread's chain.  A thread for each pair of a sorted
// element and a free one: the first of a run does its first part, right in place; the first of each
// other part does that, to parts[k / kPiece, free].
constexpr int64_t kPiece = 128;

__device__ __forceinline__ bool begins_part(const int64_t* places, int64_t k) {
  return k % kPiece == 0 && k >= kPiece && places[k - kPiece] == places[k];
}

template <Combine combine, class T>
__global__ void __launch_bounds__(kThreads)
    run_kernel(const Meeting<T> m, const int64_t* places, const int64_t* order, T* parts) {
  const int64_t thread = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const int64_t k = thread / m.free.n, free = thread - k * m.free.n;
  if (k >= m.serial.n) return;
  const int64_t place = places[k];
  const bool begins = k == 0 || places[k - 1] != place;
  if (place == kInt64Max || !(begins || begins_part(places, k))) return;
  int64_t base[3];
  m.free.offsets(static_cast<unsigned>(free), base);
  const auto value = [&](int64_t i) {
    int64_t at[3];
    m.serial.offsets(static_cast<unsigned>(order[i]), at);
    return m.value(base[1] + at[1]);
  };
  const int64_t cut = (k + kPiece - 1) / kPiece * kPiece + kPiece;
  const int64_t end = cut < m.serial.n ? cut : m.serial.n;
  T& to = begins ? m.dst[base[0] + place] : parts[k / kPiece * m.free.n + free];
  T result = begins ? combined<combine>(to, value(k)) : value(k);
  for (int64_t i = k + 1; i < end && places[i] == place; ++i)
    result = combined<combine>(result, value(i));
  to = result;
}

// Combines the first part of a run with the others, in order.  A thread for each pair of a second part
// and a free element.
template <Combine combine, class T>
__global__ void __launch_bounds__(kThreads)
    join_kernel(const Meeting<T> m, const int64_t* places, const T* parts) {
  const int64_t thread = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const int64_t second = (thread / m.free.n + 1) * kPiece, free = thread % m.free.n;
  if (second >= m.serial.n) return;
  const int64_t place = places[second];
  if (place == kInt64Max || !begins_part(places, second) || begins_part(places, second - kPiece))
    return;
  int64_t base[3];
  m.free.offsets(static_cast<unsigned>(free), base);
  T& to = m.dst[base[0] + place];
  T result = to;
  for (int64_t k = second; k < m.serial.n && places[k] == place; k += kPiece)
    result = combined<combine>(result, parts[k / kPiece * m.free.n + free]);
  to = result;
}

template <Combine combine, class T>
void scatter_sorted(const Meeting<T>& m, const Steps& steps) {
  const int64_t n = m.serial.n, pieces = (n + kPiece - 1) / kPiece;
  const DeviceScratch scratch(static_cast<size_t>(3 * n) * sizeof(int64_t));
  const DeviceScratch parts(static_cast<size_t>(pieces * m.free.n) * sizeof(T));
  int64_t *keys = scratch.as<int64_t>(), *places = keys + n, *order = places + n;
  launch(&key_kernel<T>, blocks_for(n, kThreads), kThreads, 0, stream(), m, steps, keys);
  sort_rows({DType::int64, false, 1, n, n, keys, places, order});
  launch(&run_kernel<combine, T>, blocks_for(n * m.free.n, kThreads), kThreads, 0, stream(), m,
         static_cast<const int64_t*>(places), static_cast<const int64_t*>(order), parts.as<T>());
  if (pieces > 1)
    launch(&join_kernel<combine, T>, blocks_for((pieces - 1) * m.free.n, kThreads), kThreads, 0,
           stream(), m, static_cast<const int64_t*>(places), static_cast<const T*>(parts.as<T>()));
}

// A loop over some of the dimensions of another.
template <class Choose>
Loop<3> dimensions(const Loop<3>& loop, const Choose& choose) {
  Loop<3> part = loop;
  part.rank = 0;
  for (int d = 0; d < loop.rank; ++d) {
    if (!choose(d)) continue;
    for (int k = 0; k < 3; ++k) part.strides[k][part.rank] = loop.strides[k][d];
    part.shape[part.rank++] = loop.shape[d];
  }
  return part;
}

int64_t elements(const Loop<3>& loop) {
  int64_t n = 1;
  for (int d = 0; d < loop.rank; ++d) n *= loop.shape[d];
  return n;
}

constexpr int64_t kFewSerial = 16, kManyFree = 1 << 16;

template <Combine combine, class T>
void scatter_as(const Scatter& s) {
  const int last = s.loop.rank - 1;
  const auto is_free = [&](int d) { return d < s.serial || (d == last && s.free_rows); };
  const Loop<3> free = dimensions(s.loop, is_free);
  const Loop<3> serial = dimensions(s.loop, [&](int d) { return !is_free(d); });
  const int64_t n = elements(serial);
  check<RuntimeError>(n <= kMostLoopElements, "[scatter] on CUDA expected at most ",
                      kMostLoopElements, " elements that may meet, got ", n);
  if (n == 0) return;
  bool shared_index = true;
  for (int d = 0; d < free.rank; ++d) shared_index &= free.strides[2][d] == 0;
  const bool number = s.loop.numbers >> 1 & 1;
  for_parts(free, {sizeof(T), sizeof(T), sizeof(int64_t)}, [&](const Loop<3>& part) {
    Meeting<T> m{Walk<3>(part),
                 Walk<3>(serial),
                 static_cast<T*>(part.data[0]),
                 number ? nullptr : static_cast<const T*>(part.data[1]),
                 T{},
                 static_cast<const int64_t*>(part.data[2])};
    if (number) m.number = *static_cast<const T*>(s.loop.data[1]);
    const Steps steps(s.positions);
    if (shared_index && n > kFewSerial && m.free.n < kManyFree)
      scatter_sorted<combine>(m, steps);
    else
      launch(&direct_kernel<combine, T>, blocks_for(m.free.n, kThreads), kThreads, 0, stream(), m,
             steps);
  });
}

void assign(Scatter s) {
  const bool number = s.loop.numbers >> 1 & 1;
  size_t size = itemsize(s.dtype);
  if (s.free_rows && !number) size = widen(size, s.loop, s.positions.scale);
  visit_size(size, [&](auto tag) { scatter_as<Combine::assign, decltype(tag)>(s); });
}

template <Combine combine>
void scatter_with(const Scatter& s) {
  visit(s.dtype, [&](auto tag) { scatter_as<combine, decltype(tag)>(s); });
}

void scatter(const Scatter& s) {
  switch (s.combine) {
    case Combine::assign:
      return assign(s);
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

// ---- positions

__global__ void __launch_bounds__(kThreads)
    places_kernel(const Walk<2> walk, const Steps steps, bool add, int64_t* places,
                  const int64_t* index) {
  const unsigned i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= walk.n) return;
  int64_t at[2], place;
  walk.offsets(i, at);
  if (!steps.place(index[at[1]], &place)) place = 0;
  places[at[0]] = add ? places[at[0]] + place : place;
}

void places(const Loop<2>& loop, const Positions& positions, bool add) {
  for_parts(loop, {sizeof(int64_t), sizeof(int64_t)}, [&](const Loop<2>& part) {
    const Walk<2> walk(part);
    launch(&places_kernel, blocks_for(walk.n, kThreads), kThreads, 0, stream(), walk,
           Steps(positions), add, static_cast<int64_t*>(part.data[0]),
           static_cast<const int64_t*>(part.data[1]));
  });
}

struct Extent {
  int64_t low, high;
};

__device__ __forceinline__ Extent join(Extent a, Extent b) {
  return {a.low < b.low ? a.low : b.low, a.high > b.high ? a.high : b.high};
}

constexpr unsigned kExtentBlocks = 256;

__global__ void __launch_bounds__(kThreads)
    extent_kernel(const Walk<1> walk, const int64_t* index, Extent* parts) {
  LAMINA_SHARED(Extent, warps, [kThreads / kWarpSize]);
  Extent mine{INT64_MAX, INT64_MIN};
  for (unsigned i = blockIdx.x * kThreads + threadIdx.x; i < walk.n; i += gridDim.x * kThreads) {
    int64_t at[1];
    walk.offsets(i, at);
    mine = join(mine, {index[at[0]], index[at[0]]});
  }
  mine = block_reduce<kThreads>(mine, warps, join);
  if (threadIdx.x == 0) parts[blockIdx.x] = mine;
}

__global__ void join_extents_kernel(unsigned n, Extent* parts) {
  Extent all = parts[0];
  for (unsigned i = 1; i < n; ++i) all = join(all, parts[i]);
  parts[0] = all;
}

void extent(const Loop<1>& index, int64_t* low, int64_t* high) {
  *low = INT64_MAX;
  *high = INT64_MIN;
  const DeviceScratch parts(kExtentBlocks * sizeof(Extent));
  for_parts(index, {sizeof(int64_t)}, [&](const Loop<1>& part) {
    const Walk<1> walk(part);
    const unsigned wanted = blocks_for(walk.n, kThreads);
    const unsigned blocks = wanted < kExtentBlocks ? wanted : kExtentBlocks;
    launch(&extent_kernel, blocks, kThreads, 0, stream(), walk,
           static_cast<const int64_t*>(part.data[0]), parts.as<Extent>());
    launch(&join_extents_kernel, 1, 1, 0, stream(), blocks, parts.as<Extent>());
    const Extent found = read_back(parts.as<Extent>());
    *low = found.low < *low ? found.low : *low;
    *high = found.high > *high ? found.high : *high;
  });
}

// ---- masks: a block a chunk, a thread 32 elements of it

constexpr int kMaskThreads = 1024, kMaskItems = 32;
static_assert(kMaskThreads * kMaskItems == kMaskChunk);

// This thread's elements of the chunk that are set, as bits.
__device__ __forceinline__ unsigned set_bits(const uint8_t* mask, int64_t n, int64_t first) {
  unsigned bits = 0;
  if (first + kMaskItems <= n && reinterpret_cast<uintptr_t>(mask) % sizeof(Quad) == 0) {
    const Quad* quads = reinterpret_cast<const Quad*>(mask + first);
    for (int q = 0; q < 2; ++q) {
      const Quad quad = quads[q];
      for (int w = 0; w < kPack; ++w)
        for (int b = 0; b < 4; ++b)
          bits |= unsigned{(quad.v[w] >> (8 * b) & 0xff) != 0} << (16 * q + 4 * w + b);
    }
    return bits;
  }
  for (int i = 0; i < kMaskItems; ++i)
    if (first + i < n && mask[first + i]) bits |= 1u << i;
  return bits;
}

__global__ void __launch_bounds__(kMaskThreads)
    count_kernel(const uint8_t* mask, int64_t n, int64_t* counts) {
  LAMINA_SHARED(int, warps, [kMaskThreads / kWarpSize]);
  const int64_t first = blockIdx.x * kMaskChunk + threadIdx.x * kMaskItems;
  const int set = block_reduce<kMaskThreads>(__popc(set_bits(mask, n, first)), warps,
                                             [](int a, int b) { return a + b; });
  if (threadIdx.x == 0) counts[blockIdx.x] = set;
}

void count(const uint8_t* mask, int64_t n, int64_t* counts) {
  if (n > 0)
    launch(&count_kernel, blocks_for(n, kMaskChunk), kMaskThreads, 0, stream(), mask, n, counts);
}

struct Coordinates {
  int rank;
  int64_t shape[kernels::kMaxLoopRank], weight[kernels::kMaxLoopRank];
};

__global__ void __launch_bounds__(kMaskThreads)
    nonzero_kernel(const uint8_t* mask, int64_t n, const Coordinates c, const int64_t* starts,
                   int64_t* out, int64_t stride) {
  LAMINA_SHARED(int, warps, [kMaskThreads / kWarpSize]);
  const int64_t first = blockIdx.x * kMaskChunk + threadIdx.x * kMaskItems;
  unsigned bits = set_bits(mask, n, first);
  const int before =
      block_scan<kMaskThreads>(__popc(bits), 0, warps, [](int a, int b) { return a + b; }).before;
  for (int64_t k = starts[blockIdx.x] + before; bits; ++k, bits &= bits - 1) {
    int64_t rest = first + __ffs(static_cast<int>(bits)) - 1, sum = 0;
    for (int d = c.rank - 1; d >= 0; --d) {
      const int64_t next = d > 0 ? rest / c.shape[d] : 0;
      sum += (rest - next * c.shape[d]) * c.weight[d];
      rest = next;
    }
    out[k * stride] = sum;
  }
}

void nonzero(const uint8_t* mask, int rank, const int64_t* shape, const int64_t* weight,
             const int64_t* starts, int64_t* out, int64_t stride) {
  Coordinates c{rank, {}, {}};
  int64_t n = 1;
  for (int d = 0; d < rank; ++d) {
    c.shape[d] = shape[d];
    c.weight[d] = weight[d];
    n *= shape[d];
  }
  launch(&nonzero_kernel, blocks_for(n, kMaskChunk), kMaskThreads, 0, stream(), mask, n, c, starts,
         out, stride);
}

// ---- counts

__global__ void __launch_bounds__(kThreads)
    exclude_kernel(int64_t n, const int64_t* counts, int64_t* sums) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < n) sums[i] -= counts[i];
}

int64_t prefix(const int64_t* counts, int64_t n, int64_t* starts) {
  if (n == 0) return 0;
  running_sum(counts, n, starts);
  const int64_t total = read_back(starts + n - 1);
  launch(&exclude_kernel, blocks_for(n, kThreads), kThreads, 0, stream(), n, counts, starts);
  return total;
}

// A warp writes the positions of one count.
__global__ void __launch_bounds__(kThreads)
    repeat_kernel(const int64_t* counts, const int64_t* starts, int64_t n, int64_t* out) {
  const int64_t i = (int64_t{blockIdx.x} * kThreads + threadIdx.x) / kWarpSize;
  if (i >= n) return;
  for (int64_t k = threadIdx.x % kWarpSize; k < counts[i]; k += kWarpSize) out[starts[i] + k] = i;
}

void repeat(const int64_t* counts, const int64_t* starts, int64_t n, int64_t* out) {
  if (n > 0)
    launch(&repeat_kernel, blocks_for(n, kThreads / kWarpSize), kThreads, 0, stream(), counts,
           starts, n, out);
}

}  // namespace

LAMINA_CUDA_KERNELS(Indexing, indexing){&extent, &places,  &gather, &scatter,
                                        &count,  &nonzero, &prefix, &repeat};

}  // namespace lamina::cuda

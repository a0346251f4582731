// Scatter through integer positions.
//
// Elements that may meet are combined in their order, without atomics: by one thread a place where
// places are many, else after a stable sort of the positions (cuda/sorted_runs.h; an embedding's
// gradient: a thread a token's feature).  Sums have the CPU's bits unless a long run is cut.  Bound
// by bytes where rows are long: a row is read, and its place read and written, 12 bytes a float32,
// with 8 of position and the sort's passes over those; 100,000 rows of 512 are 614 MB, 0.14 ms at
// the 4.3 TB/s that an H200 copies.  Where rows are short, by the sectors of random elements.
// Compiled and emulated, not yet run on a device.
#include <type_traits>

#include "core/check.h"
#include "cuda/indexing.h"
#include "cuda/loops.h"
#include "cuda/sorted_runs.h"

namespace lamina::cuda {
namespace {

using kernels::Combine;
using kernels::Loop;
using kernels::Scatter;

constexpr int kThreads = 256;

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

// keys[j]: the place of serial element j, or kNoPlace.
template <class T>
__global__ void __launch_bounds__(kThreads)
    key_kernel(const Meeting<T> m, const Steps steps, int64_t* keys) {
  const unsigned j = blockIdx.x * kThreads + threadIdx.x;
  if (j >= m.serial.n) return;
  int64_t at[3], place;
  m.serial.offsets(j, at);
  keys[j] = steps.place(m.index[at[2]], &place) ? at[0] + place : kNoPlace;
}

// Serial elements meet; free ones are the copies (cuda/sorted_runs.h).
template <Combine how, class T>
struct MeetingRuns {
  using Element = T;
  Meeting<T> m;
  int64_t free;

  struct At {
    const Meeting<T>& m;
    int64_t base[3];

    __device__ __forceinline__ T value(int64_t element) const {
      int64_t at[3];
      m.serial.offsets(static_cast<unsigned>(element), at);
      return m.value(base[1] + at[1]);
    }
    __device__ __forceinline__ T& to(int64_t place) const { return m.dst[base[0] + place]; }
  };

  static __device__ __forceinline__ T combine(T old, T value) { return combined<how>(old, value); }
  __device__ __forceinline__ At at(int64_t element) const {
    At at{m, {}};
    m.free.offsets(static_cast<unsigned>(element), at.base);
    return at;
  }
};

template <Combine combine, class T>
void scatter_sorted(const Meeting<T>& m, const Steps& steps) {
  const int64_t n = m.serial.n;
  combine_runs(MeetingRuns<combine, T>{m, m.free.n}, n, [&](int64_t* keys) {
    launch(&key_kernel<T>, blocks_for(n, kThreads), kThreads, 0, stream(), m, steps, keys);
  });
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

}  // namespace

void scatter_elements(const Scatter& s) {
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

}  // namespace lamina::cuda

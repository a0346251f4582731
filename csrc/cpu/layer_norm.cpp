// Layer normalisation (Ba, Kiros & Hinton, arXiv 1607.06450) of each row, and RMS normalisation (Zhang & Sennrich, arXiv
// 1910.07467), with m = 0 and v the mean of the squares:
//   y = (x - m) / s * weight + bias,  s = sqrt(v + eps),
//   dx = 1 / s (g - mean(g) - xhat mean(g xhat)),  g = dy weight,  xhat = (x - m) / s.
//
// A row is summed and then normalised out of the cache: memory is read and written once forward; backward x and dy are
// read and dx is written once.  The parameters' gradients take shape in the same sweep, for a few rows at once in
// registers, and in an array a chunk of rows.  Bound by bytes: the next rows are asked for while the cached ones are swept,
// and a large output is streamed past the caches.  8192x512 of float32 on one Zen 5 core, others busy: forward 40 GB/s
// (without both 32), backward 32 (24).
#include "kernels/layer_norm.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/row_sums.h"
#include "cpu/stream.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::LayerNormBackward;
using kernels::LayerNormForward;

constexpr int64_t kChunkElements = 16384;  // some 10 us
constexpr int64_t kMostChunks = 64;        // backward: each has an array as long as two rows
constexpr int kRows =
    4;  // rows that backward takes at once: few enough for the ways of the L1 cache

template <class T>
LAMINA_INLINE int64_t whole_vectors(int64_t n) {
  return (n + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
}

// weight or bias, readable in whole vectors; `otherwise` everywhere where there is none.
template <class T>
class Parameter {
 public:
  LAMINA_INLINE Parameter(const void* given, int64_t n, T otherwise)
      : held_(whole_vectors<T>(n) * sizeof(T)), values_(static_cast<const T*>(given)) {
    if (given && n % kLanes<T> == 0) return;
    T* copy = held_.template as<T>();
    for (int64_t i = 0; i < whole_vectors<T>(n); ++i)
      copy[i] = given && i < n ? values_[i] : otherwise;
    values_ = copy;
  }
  LAMINA_INLINE Vec<T> at(int64_t i) const { return load(values_ + i); }

 private:
  const Scratch held_;
  const T* values_;
};

template <class T>
LAMINA_INLINE void put(T* to, Vec<T> v, int lanes, bool streaming) {
  if (streaming)
    stream(to, v);
  else
    store_lanes(to, v, lanes);
}

template <class T, bool kCentred>
void forward_of(const LayerNormForward& a) {
  const int64_t rows = a.shape.rows, n = a.shape.n;
  const Parameter<T> weight(a.weight, n, T(1)), bias(a.bias, n, T(0));
  const bool streaming = streams_to(static_cast<const T*>(a.y), n, rows * n * int64_t{sizeof(T)});
  parallel_for(rows, 1 + kChunkElements / n, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t left =
          (end - r) * n;  // a vector may run on into the next row, which is written after
      const T* x = static_cast<const T*>(a.x) + r * n;
      T* y = static_cast<T*>(a.y) + r * n;
      Moments m{};
      if constexpr (kCentred) {
        m = row_moments(x, n, left);
        static_cast<T*>(a.mean)[r] = static_cast<T>(m.mean);
      } else {
        m.squares = sum_row<T>(n, left, [&](int64_t i, int lanes) -> Terms<T> {
                      const Vec<T> v = load_lanes(x + i, lanes);
                      return {v * v, Vec<T>{}};
                    }).first;
      }
      const T mean = static_cast<T>(m.mean);
      const T scale =
          static_cast<T>(1 / __builtin_sqrt(variance(m, static_cast<double>(n)) + a.eps));
      static_cast<T*>(a.inv_std)[r] = scale;
      for_each_vector<T>(0, n, left, [&](int64_t i, int lanes) {
        __builtin_prefetch(x + n + i);
        const Vec<T> d = (load_lanes(x + i, lanes) - mean) * scale;
        put(y + i, d * weight.at(i) + bias.at(i), lanes, streaming);
      });
    }
    if (streaming) finish_stream();
  });
}

// dx = inv_std g + slope (x - mean) + constant
template <class T>
struct RowGradient {
  T mean, inv_std, slope, constant;
};

template <class T, bool kCentred>
LAMINA_INLINE RowGradient<T> row_gradient(const LayerNormBackward& a, const Parameter<T>& weight,
                                          int64_t r) {
  const int64_t n = a.shape.n, left = (a.shape.rows - r) * n;
  const T *x = static_cast<const T*>(a.x) + r * n, *dy = static_cast<const T*>(a.dy) + r * n;
  RowGradient<T> row{};
  if constexpr (kCentred) row.mean = static_cast<const T*>(a.mean)[r];
  row.inv_std = static_cast<const T*>(a.inv_std)[r];
  const RowSums s = sum_row<T>(n, left, [&](int64_t i, int lanes) -> Terms<T> {
    const Vec<T> g = load_lanes(dy + i, lanes) * weight.at(i);
    return {g, g * (load_lanes(x + i, lanes) - row.mean)};
  });
  const double inv = static_cast<double>(row.inv_std), count = static_cast<double>(n);
  row.slope = static_cast<T>(-inv * inv * inv * s.second / count);
  if constexpr (kCentred) row.constant = static_cast<T>(-inv * s.first / count);
  return row;
}

// dx of kCount rows, and their share of the parameters' gradients: sums (2, whole vectors of n), or null.
template <class T, bool kCentred, int kCount>
LAMINA_INLINE void backward_rows(const LayerNormBackward& a, const Parameter<T>& weight, int64_t r,
                                 bool streaming, T* sums) {
  const int64_t n = a.shape.n, stride = whole_vectors<T>(n);
  RowGradient<T> row[kCount];
  for (int k = 0; k < kCount; ++k) row[k] = row_gradient<T, kCentred>(a, weight, r + k);
  const T *x = static_cast<const T*>(a.x) + r * n, *dy = static_cast<const T*>(a.dy) + r * n;
  T* dx = a.dx ? static_cast<T*>(a.dx) + r * n : nullptr;
  for_each_vector<T>(0, n, n, [&](int64_t i, int lanes) {
    const Vec<T> w = weight.at(i);
    Vec<T> dweight{}, dbias{};
    for (int k = 0; k < kCount; ++k) {
      __builtin_prefetch(x + (kCount + k) * n + i);
      __builtin_prefetch(dy + (kCount + k) * n + i);
      const Vec<T> g = load_lanes(dy + k * n + i, lanes);
      const Vec<T> d = load_lanes(x + k * n + i, lanes) - row[k].mean;
      dweight += g * (d * row[k].inv_std);
      dbias += g;
      if (dx)
        put(dx + k * n + i, g * w * row[k].inv_std + (d * row[k].slope + row[k].constant), lanes,
            streaming);
    }
    if (!sums) return;
    store(sums + i, load(sums + i) + dweight);
    store(sums + stride + i, load(sums + stride + i) + dbias);
  });
}

template <class T>
void add_chunks(const LayerNormBackward& a, const T* sums, int64_t chunks) {
  const int64_t n = a.shape.n, stride = whole_vectors<T>(n);
  for (int which = 0; which < 2; ++which) {
    T* out = static_cast<T*>(which ? a.dbias : a.dweight);
    parallel_for(n, kChunkElements / kMostChunks, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        double total = 0;
        for (int64_t c = 0; c < chunks; ++c)
          total += static_cast<double>(sums[(2 * c + which) * stride + i]);
        out[i] = static_cast<T>(total);
      }
    });
  }
}

template <class T, bool kCentred>
void backward_of(const LayerNormBackward& a) {
  const int64_t rows = a.shape.rows, n = a.shape.n, stride = whole_vectors<T>(n);
  const Parameter<T> weight(a.weight, n, T(1));
  const int64_t fewest = (rows + kMostChunks - 1) / kMostChunks, fitting = 1 + kChunkElements / n;
  const int64_t step = ((fewest > fitting ? fewest : fitting) + kRows - 1) / kRows * kRows;
  const int64_t chunks = (rows + step - 1) / step;
  const Scratch memory(a.dweight ? chunks * 2 * stride * sizeof(T) : 0);
  T* partial = memory.as<T>();  // (chunks, 2, stride)
  const bool streaming =
      a.dx && streams_to(static_cast<const T*>(a.dx), n, rows * n * int64_t{sizeof(T)});
  parallel_for(rows, step, [&](int64_t begin, int64_t end) {
    T* sums = a.dweight ? partial + begin / step * 2 * stride : nullptr;
    for (int64_t i = 0; sums && i < 2 * stride; ++i) sums[i] = 0;
    int64_t r = begin;
    for (; r + kRows <= end; r += kRows)
      backward_rows<T, kCentred, kRows>(a, weight, r, streaming, sums);
    for (; r < end; ++r) backward_rows<T, kCentred, 1>(a, weight, r, streaming, sums);
    if (streaming) finish_stream();
  });
  if (a.dweight) add_chunks(a, partial, chunks);
}

void forward(const LayerNormForward& a) {
  visit_real(a.dtype, [&](auto tag) {
    using T = decltype(tag);
    a.centred ? forward_of<T, true>(a) : forward_of<T, false>(a);
  });
}

void backward(const LayerNormBackward& a) {
  visit_real(a.dtype, [&](auto tag) {
    using T = decltype(tag);
    a.centred ? backward_of<T, true>(a) : backward_of<T, false>(a);
  });
}

}  // namespace

LAMINA_CPU_KERNELS(LayerNorm, layer_norm){&forward, &backward};

}  // namespace lamina::cpu::LAMINA_ISA

// Skinny products: a few vectors X (count, k), count <= kMostVectors, times the lines of a matrix W
// (lines, k):
//   out[v][l] = init + sum_p X[v][p] * W[l][p].
// Bound by reading W once, so W is read where it lies, in long runs: lines that are contiguous
// along k as dot products (a few lines at a time, vectors along k), lines that lie side by side as a
// sum of scaled rows (vectors along the lines, four depths at a time).
#pragma once

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/gemm.h"
#include "cpu/shuffle.h"
#include "cpu/vec.h"

namespace lamina::cpu::LAMINA_ISA {

inline constexpr int kMostVectors = 8;
inline constexpr int64_t kGemvTaskBytes = 128 << 10;

// Element (v, l) of the result and of its init.
template <class T>
struct GemvResult {
  T* data;
  int64_t vector, line;
  const T* init = nullptr;
  int64_t init_vector = 0, init_line = 0;

  LAMINA_INLINE void set(int64_t v, int64_t l, T sum) const {
    data[v * vector + l * line] = init ? init[v * init_vector + l * init_line] + sum : sum;
  }
};

// Lines [l, l + Lines), contiguous along k; x is (Vectors, k) row-major.
template <class T, int Vectors, int Lines>
LAMINA_INLINE void dot_lines(const T* x, const Strided<T>& w, int64_t l, int64_t k,
                             const GemvResult<T>& out) {
  constexpr int L = kLanes<T>;
  constexpr int kSums = Vectors * Lines == 1 ? 4 : 1;  // chains enough to hide an add's latency
  Vec<T> sum[kSums][Vectors][Lines] = {};
  const T* line[Lines];
#pragma GCC unroll 4
  for (int j = 0; j < Lines; ++j) line[j] = w.at(l + j, 0);
  int64_t p = 0;
  for (; p + kSums * L <= k; p += kSums * L)
#pragma GCC unroll 4
    for (int s = 0; s < kSums; ++s) {
      Vec<T> column[Lines];
#pragma GCC unroll 4
      for (int j = 0; j < Lines; ++j) column[j] = load(line[j] + p + s * L);
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) {
        const Vec<T> row = load(x + v * k + p + s * L);
#pragma GCC unroll 4
        for (int j = 0; j < Lines; ++j) sum[s][v][j] += row * column[j];
      }
    }
#pragma GCC unroll 8
  for (int v = 0; v < Vectors; ++v)
#pragma GCC unroll 4
    for (int j = 0; j < Lines; ++j) {
#pragma GCC unroll 4
      for (int s = 1; s < kSums; ++s) sum[0][v][j] += sum[s][v][j];
      T total = sum_lanes<T>(sum[0][v][j]);
      for (int64_t q = p; q < k; ++q) total += x[v * k + q] * line[j][q];
      out.set(v, l + j, total);
    }
}

// Lines [begin, end), side by side (line stride 1), summed in `sum` (Vectors, end - begin).
template <class T, int Vectors>
LAMINA_INLINE void add_scaled_rows(const T* x, const Strided<T>& w, int64_t begin, int64_t end,
                                   int64_t k, T* sum, const GemvResult<T>& out) {
  constexpr int L = kLanes<T>, kDepths = 4;
  const int64_t lines = end - begin;
  for (int64_t q = 0; q < Vectors * lines; ++q) sum[q] = T(0);
  int64_t p = 0;
  for (; p + kDepths <= k; p += kDepths) {
    const T* row = w.at(begin, p);
    int64_t l = 0;
    for (; l + L <= lines; l += L) {
      Vec<T> column[kDepths];
#pragma GCC unroll 4
      for (int d = 0; d < kDepths; ++d) column[d] = load(row + d * w.depth_stride + l);
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) {
        Vec<T> s = load(sum + v * lines + l);
#pragma GCC unroll 4
        for (int d = 0; d < kDepths; ++d) s += x[v * k + p + d] * column[d];
        store(sum + v * lines + l, s);
      }
    }
    for (; l < lines; ++l)
      for (int v = 0; v < Vectors; ++v)
        for (int d = 0; d < kDepths; ++d)
          sum[v * lines + l] += x[v * k + p + d] * row[d * w.depth_stride + l];
  }
  for (; p < k; ++p)
    for (int v = 0; v < Vectors; ++v)
      for (int64_t l = 0; l < lines; ++l)
        sum[v * lines + l] += x[v * k + p] * w.at(begin + l, p)[0];
  for (int v = 0; v < Vectors; ++v)
    for (int64_t l = 0; l < lines; ++l) out.set(v, begin + l, sum[v * lines + l]);
}

template <class T, int Vectors>
void gemv(const T* x, int64_t lines, int64_t k, const Strided<T>& w, const GemvResult<T>& out) {
  const int64_t line_bytes = larger(1, k * static_cast<int64_t>(sizeof(T)));
  if (w.depth_stride != 1 || (w.line_stride == 1 && k < lines)) {
    constexpr int64_t kColumns = 2048 / sizeof(T);
    const int64_t grain = larger(kColumns, kGemvTaskBytes / line_bytes);
    parallel_for(lines, grain, [&](int64_t begin, int64_t end) {
      T sum[Vectors * kColumns];
      for (int64_t l = begin; l < end; l += kColumns)
        add_scaled_rows<T, Vectors>(x, w, l, smaller(l + kColumns, end), k, sum, out);
    });
  } else {
    // As many lines as leave all sums in the registers: x is then read the least from L2.
    constexpr int kLines = Vectors <= 4 ? 4 : kVectorBytes == 64 ? 3 : 1;
    const int64_t grain = larger(1, kGemvTaskBytes / line_bytes / 12) * 12;
    parallel_for(lines, grain, [&](int64_t begin, int64_t end) {
      int64_t l = begin;
      for (; l + kLines <= end; l += kLines) dot_lines<T, Vectors, kLines>(x, w, l, k, out);
      for (; l < end; ++l) dot_lines<T, Vectors, 1>(x, w, l, k, out);
    });
  }
}

// Whether a product of `vectors` rows is worth this path rather than the register tile.
template <class T>
LAMINA_INLINE bool takes_gemv(int64_t vectors, int64_t lines, int64_t k, const Strided<T>& w) {
  const bool runs = w.line_stride == 1 || w.depth_stride == 1;
  return runs && vectors <= kMostVectors && lines * k >= 1024;
}

// x is any (vectors, k) matrix; it is copied where it is not contiguous along k.
template <class T>
void gemv(int64_t vectors, int64_t lines, int64_t k, const Strided<T>& x, const Strided<T>& w,
          const GemvResult<T>& out) {
  const bool copies = !(x.depth_stride == 1 && (vectors == 1 || x.line_stride == k));
  const Scratch copy(copies ? vectors * k * sizeof(T) : 0);
  const T* rows = x.data;
  if (copies) {
    for (int64_t v = 0; v < vectors; ++v)
      for (int64_t p = 0; p < k; ++p) copy.as<T>()[v * k + p] = x.at(v, p)[0];
    rows = copy.as<T>();
  }
  switch (vectors) {
    case 1:
      return gemv<T, 1>(rows, lines, k, w, out);
    case 2:
      return gemv<T, 2>(rows, lines, k, w, out);
    case 3:
      return gemv<T, 3>(rows, lines, k, w, out);
    case 4:
      return gemv<T, 4>(rows, lines, k, w, out);
    case 5:
      return gemv<T, 5>(rows, lines, k, w, out);
    case 6:
      return gemv<T, 6>(rows, lines, k, w, out);
    case 7:
      return gemv<T, 7>(rows, lines, k, w, out);
    default:
      return gemv<T, 8>(rows, lines, k, w, out);
  }
}

}  // namespace lamina::cpu::LAMINA_ISA

// Copies that rows of loads and stores would do slowly.
//
// Zeros go by memset, which writes cache lines without reading them first: three times the rate of
// stores where the output is larger than the caches.  Transpositions, such as between NCHW and NHWC,
// go by squares of a vector's lanes, transposed in registers: both sides are touched in whole
// vectors.  Bound by bytes.
#pragma once

#include "cpu/lane_transpose.h"
#include "cpu/loop.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// Whether every element is one number of `size` bytes that are all zero, in rows without gaps.
LAMINA_INLINE bool writes_zeros(const kernels::Loop<2>& loop, int64_t size) {
  for (int d = 0; d < loop.rank; ++d)
    if (loop.strides[1][d] != 0) return false;
  if (loop.strides[0][loop.rank - 1] != 1) return false;
  const char* number = static_cast<const char*>(loop.data[1]);
  for (int64_t i = 0; i < size; ++i)
    if (number[i] != 0) return false;
  return true;
}

// The dimension along which the input is contiguous, where the output is along the last and both
// are long enough for squares; -1: none.
template <class T>
LAMINA_INLINE int crossing_dimension(const kernels::Loop<2>& loop) {
  const int last = loop.rank - 1;
  const int64_t step = loop.strides[1][last];
  if (loop.strides[0][last] != 1 || loop.shape[last] < kLanes<T> || step == 0 || step == 1)
    return -1;
  for (int d = 0; d < last; ++d)
    if (loop.strides[1][d] == 1 && loop.shape[d] >= kLanes<T>) return d;
  return -1;
}

// out[j * out_row + i] = in[i * in_row + j], i < rows, j < columns.
template <class T>
LAMINA_INLINE void transpose_block(T* out, int64_t out_row, const T* in, int64_t in_row,
                                   int64_t rows, int64_t columns) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t i = 0; i < rows; i += L)
    for (int64_t j = 0; j < columns; j += L) {
      const T* from = in + i * in_row + j;
      T* to = out + j * out_row + i;
      if (rows - i >= L && columns - j >= L) {
        Vec<T> square[L];
#pragma GCC unroll 16
        for (int k = 0; k < L; ++k) square[k] = load(from + k * in_row);
        transpose_lanes<T>(square);
#pragma GCC unroll 16
        for (int k = 0; k < L; ++k) store(to + k * out_row, square[k]);
      } else {
        for (int64_t b = 0; b < L && j + b < columns; ++b)
          for (int64_t a = 0; a < L && i + a < rows; ++a)
            to[b * out_row + a] = from[a * in_row + b];
      }
    }
}

// The last dimension and dimension `cross` change places in memory; all others are walked.
template <class T>
void copy_transposed(const kernels::Loop<2>& loop, int cross) {
  constexpr int64_t kColumns = 64, kRows = kLoopGrain / kColumns;
  const int last = loop.rank - 1;
  const int64_t rows = loop.shape[last], columns = loop.shape[cross];
  const int64_t in_row = loop.strides[1][last], out_row = loop.strides[0][cross];
  const int64_t row_blocks = (rows + kRows - 1) / kRows;
  const int64_t column_blocks = (columns + kColumns - 1) / kColumns;
  int64_t planes = 1;
  for (int d = 0; d < last; ++d)
    if (d != cross) planes *= loop.shape[d];
  const int64_t block = (rows < kRows ? rows : kRows) * (columns < kColumns ? columns : kColumns);
  parallel_for(planes * column_blocks * row_blocks, block < kLoopGrain ? kLoopGrain / block : 1,
               [&](int64_t begin, int64_t end) {
                 for (int64_t unit = begin; unit < end; ++unit) {
                   const int64_t i = unit % row_blocks * kRows;
                   const int64_t j = unit / row_blocks % column_blocks * kColumns;
                   int64_t rest = unit / row_blocks / column_blocks;
                   int64_t out = j * out_row + i, in = i * in_row + j;
                   for (int d = last - 1; d >= 0; --d) {
                     if (d == cross) continue;
                     const int64_t at = rest % loop.shape[d];
                     rest /= loop.shape[d];
                     out += at * loop.strides[0][d];
                     in += at * loop.strides[1][d];
                   }
                   transpose_block(static_cast<T*>(loop.data[0]) + out, out_row,
                                   static_cast<const T*>(loop.data[1]) + in, in_row,
                                   rows - i < kRows ? rows - i : kRows,
                                   columns - j < kColumns ? columns - j : kColumns);
                 }
               });
}

// Copies if the loop is a transposition of elements as wide as T.
template <class T>
LAMINA_INLINE bool copies_transposed(const kernels::Loop<2>& loop, int64_t size) {
  if (size != sizeof(T)) return false;
  const int cross = crossing_dimension<T>(loop);
  if (cross >= 0) copy_transposed<T>(loop, cross);
  return cross >= 0;
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

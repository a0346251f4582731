// Products of complex matrices, one for each frequency: what a dense convolution is between its
// transforms.
//
//   c[i][j] (+)= sum over p of a[i][p] * b[p][j]
//
// Real and imaginary parts lie in planes of their own, so that the register tile of R rows by NV
// vectors is four real ones: 16 loads for 48 multiply-adds.
#pragma once

#include "cpu/conv_tile.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// Element (i, j) of a matrix at data[i * row + j * column], its imaginary part `imaginary` further.
template <class T>
struct ComplexMatrix {
  T* data;
  int64_t row, column, imaginary;
};

#if defined(__AVX512F__)
inline constexpr int kComplexRows = 6, kComplexVectors = 2;
#else
inline constexpr int kComplexRows = 3, kComplexVectors = 1;
#endif

template <class T, int R, int NV>
LAMINA_INLINE void complex_tile(int64_t depth, const ComplexMatrix<const T>& a,
                                const ComplexMatrix<const T>& b, const ComplexMatrix<T>& c,
                                bool accumulate) {
  constexpr int n = kLanes<T>;
  Vec<T> re[R][NV], im[R][NV];
  LAMINA_UNROLL
  for (int i = 0; i < R * NV; ++i) re[i / NV][i % NV] = im[i / NV][i % NV] = Vec<T>{};
  const T *x = a.data, *y = b.data;
  for (int64_t p = depth; p > 0; --p, x += a.column, y += b.row) {
    Vec<T> br[NV], bi[NV];
    LAMINA_UNROLL
    for (int v = 0; v < NV; ++v) br[v] = load(y + v * n), bi[v] = load(y + b.imaginary + v * n);
    LAMINA_UNROLL
    for (int i = 0; i < R; ++i) {
      const Vec<T> ar = broadcast(x[i * a.row]), ai = broadcast(x[i * a.row + a.imaginary]);
      LAMINA_UNROLL
      for (int v = 0; v < NV; ++v) {
        re[i][v] += ar * br[v];
        im[i][v] += ar * bi[v];
        re[i][v] -= ai * bi[v];
        im[i][v] += ai * br[v];
      }
    }
  }
  LAMINA_UNROLL
  for (int i = 0; i < R; ++i) LAMINA_UNROLL
  for (int v = 0; v < NV; ++v) {
    T* to = c.data + i * c.row + v * n;
    store(to, accumulate ? load(to) + re[i][v] : re[i][v]);
    to += c.imaginary;
    store(to, accumulate ? load(to) + im[i][v] : im[i][v]);
  }
}

template <class T, int NV>
__attribute__((noinline)) void complex_panel(int64_t rows, int64_t depth, ComplexMatrix<const T> a,
                                             const ComplexMatrix<const T>& b, ComplexMatrix<T> c,
                                             bool accumulate) {
  for (; rows > 0;
       rows -= kComplexRows, a.data += kComplexRows * a.row, c.data += kComplexRows * c.row) {
    if (rows >= kComplexRows)
      complex_tile<T, kComplexRows, NV>(depth, a, b, c, accumulate);
    else if (rows == 1)
      complex_tile<T, 1, NV>(depth, a, b, c, accumulate);
    else if (rows == 2)
      complex_tile<T, 2, NV>(depth, a, b, c, accumulate);
#if defined(__AVX512F__)
    else if (rows == 3)
      complex_tile<T, 3, NV>(depth, a, b, c, accumulate);
    else if (rows == 4)
      complex_tile<T, 4, NV>(depth, a, b, c, accumulate);
    else
      complex_tile<T, 5, NV>(depth, a, b, c, accumulate);
#endif
  }
}

// c (rows, vectors) from a (rows, depth) and b (depth, vectors); vectors of columns, columns beside
// each other in b and c.
template <class T>
LAMINA_INLINE void multiply_complex(int64_t rows, int64_t vectors, int64_t depth,
                                    const ComplexMatrix<const T>& a, ComplexMatrix<const T> b,
                                    ComplexMatrix<T> c, bool accumulate) {
  for (; vectors > 0; vectors -= kComplexVectors, b.data += kComplexVectors * kLanes<T>,
                      c.data += kComplexVectors * kLanes<T>) {
    if (vectors >= kComplexVectors)
      complex_panel<T, kComplexVectors>(rows, depth, a, b, c, accumulate);
    else
      complex_panel<T, 1>(rows, depth, a, b, c, accumulate);
  }
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

// Two-dimensional real transforms of h x w tiles, every lane a tile of its own.
//
//   spectrum[v][u] = sum over r, c of x[r][c] * exp(-2 pi i (u r / h + v c / w)),  v <= w / 2
//
// The other half follows from symmetry.  Rows go in pairs, one as the real part and the other as the
// imaginary part of a complex line, whose transform falls into the two by the same symmetry; then
// the columns follow.  A spectrum holds its columns one after another.
#pragma once

#include "cpu/fft.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

template <class T>
struct TileFft {
  Fft<T> h, w;

  LAMINA_INLINE int64_t columns() const { return w.size.n / 2 + 1; }
  LAMINA_INLINE int64_t elements() const { return columns() * h.size.n; }  // of a spectrum
  // Complex numbers of scratch that the functions below need.
  LAMINA_INLINE int64_t work() const { return 3 * (h.size.n > w.size.n ? h.size.n : w.size.n); }
};

// The transform of a line as rows a and b of a real tile, in its real and its imaginary part, to
// spectrum[v * h] and, where there is a row b, spectrum[v * h + 1].
template <class T>
__attribute__((noinline)) void split_rows(const TileFft<T>& fft, const Complex<T>* line, bool pair,
                                          Complex<T>* spectrum) {
  const int64_t n = fft.w.size.n;
  const Vec<T> half = broadcast(T(0.5));
  for (int64_t v = 0; v <= n / 2; ++v, spectrum += fft.h.size.n) {
    const Complex<T> a = line[v], b = line[v == 0 ? 0 : n - v];
    spectrum[0] = {half * (a.re + b.re), half * (a.im - b.im)};
    if (pair) spectrum[1] = {half * (a.im + b.im), half * (b.re - a.re)};
  }
}

// The other way, exchanged, which makes the transform of `line` the inverse one.
template <class T>
__attribute__((noinline)) void join_rows(const TileFft<T>& fft, const Complex<T>* spectrum,
                                         bool pair, Complex<T>* line) {
  const int64_t n = fft.w.size.n;
  for (int64_t k = 0; k < n; ++k) {
    const bool mirrored = k > n / 2;
    const Complex<T>* from = spectrum + (mirrored ? n - k : k) * fft.h.size.n;
    Complex<T> a = from[0], b = pair ? from[1] : Complex<T>{};
    if (mirrored) a = conjugate(a), b = conjugate(b);
    line[k] = {a.im + b.re, a.re - b.im};
  }
}

// Transforms rows [0, rows) of a tile, pixel(r, c) at c < columns and zero beyond, to
// spectrum[v * h + r].
template <class T, class Pixel>
LAMINA_INLINE void transform_rows(const TileFft<T>& fft, int64_t rows, int64_t columns,
                                  const Pixel& pixel, Complex<T>* spectrum, Complex<T>* work) {
  const int64_t n = fft.w.size.n;
  Complex<T>* line = work + 2 * n;
  for (int64_t r = 0; r < rows; r += 2) {
    const bool pair = r + 1 < rows;
    for (int64_t c = 0; c < columns; ++c)
      line[c] = {pixel(r, c), pair ? pixel(r + 1, c) : Vec<T>{}};
    for (int64_t c = columns; c < n; ++c) line[c] = Complex<T>{};
    split_rows(fft, fft_line(fft.w, line, work, work + n), pair, spectrum + r);
  }
}

// Where the transform of a column of `rows` numbers, zeros beyond, lies: h numbers within `work`, or
// the column itself.
template <class T>
__attribute__((noinline)) const Complex<T>* transform_column(const TileFft<T>& fft, int64_t rows,
                                                             const Complex<T>* column,
                                                             Complex<T>* work) {
  const int64_t n = fft.h.size.n;
  if (rows == n) return fft_line(fft.h, column, work, work + n);
  Complex<T>* line = work + 2 * n;
  for (int64_t r = 0; r < rows; ++r) line[r] = column[r];
  for (int64_t r = rows; r < n; ++r) line[r] = Complex<T>{};
  return fft_line(fft.h, line, work, work + n);
}

// Transforms a column back, without the factor 1 / h, from its h numbers with real and imaginary
// parts exchanged to column[r], r < rows.  The numbers may lie in work[2 h, 3 h).
template <class T>
__attribute__((noinline)) void restore_column(const TileFft<T>& fft, int64_t rows,
                                              const Complex<T>* exchanged_line, Complex<T>* column,
                                              Complex<T>* work) {
  const Complex<T>* line = fft_line(fft.h, exchanged_line, work, work + fft.h.size.n);
  for (int64_t r = 0; r < rows; ++r) column[r] = exchanged(line[r]);
}

// Transforms rows [0, rows) back, without the factor 1 / w: sink(r, c, value) for c < columns.
template <class T, class Sink>
LAMINA_INLINE void restore_rows(const TileFft<T>& fft, int64_t rows, int64_t columns,
                                const Complex<T>* spectrum, const Sink& sink, Complex<T>* work) {
  const int64_t n = fft.w.size.n;
  for (int64_t r = 0; r < rows; r += 2) {
    const bool pair = r + 1 < rows;
    join_rows(fft, spectrum + r, pair, work + 2 * n);
    const Complex<T>* line = fft_line(fft.w, work + 2 * n, work, work + n);
    for (int64_t c = 0; c < columns; ++c) sink(r, c, line[c].im);
    for (int64_t c = 0; pair && c < columns; ++c) sink(r + 1, c, line[c].re);
  }
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

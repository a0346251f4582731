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

// Transforms rows [0, rows) of a tile, pixel(r, c) at c < columns and zero beyond, to
// spectrum[v * h + r].
template <class T, class Pixel>
LAMINA_INLINE void transform_rows(const TileFft<T>& fft, int64_t rows, int64_t columns,
                                  const Pixel& pixel, Complex<T>* spectrum, Complex<T>* work) {
  const int64_t n = fft.w.size.n, h = fft.h.size.n;
  Complex<T>* line = work + 2 * n;
  for (int64_t r = 0; r < rows; r += 2) {
    const bool pair = r + 1 < rows;
    fft_line(
        fft.w, work,
        [&](int64_t c) __attribute__((always_inline)) {
          Complex<T> z{};
          if (c < columns) {
            z.re = pixel(r, c);
            if (pair) z.im = pixel(r + 1, c);
          }
          return z;
        },
        [=](int64_t k, const Complex<T>& z) __attribute__((always_inline)) { line[k] = z; });
    const Vec<T> half = broadcast(T(0.5));
    for (int64_t v = 0; v <= n / 2; ++v) {
      const Complex<T> a = line[v], b = line[v == 0 ? 0 : n - v];
      Complex<T>* to = spectrum + v * h + r;
      to[0] = {half * (a.re + b.re), half * (a.im - b.im)};
      if (pair) to[1] = {half * (a.im + b.im), half * (b.re - a.re)};
    }
  }
}

// Transforms a column of `rows` numbers, zeros beyond: sink(u, value) for u < h.
template <class T, class Sink>
LAMINA_INLINE void transform_column(const TileFft<T>& fft, int64_t rows, const Complex<T>* column,
                                    const Sink& sink, Complex<T>* work) {
  fft_line(
      fft.h, work,
      [=](int64_t r) __attribute__((always_inline)) { return r < rows ? column[r] : Complex<T>{}; },
      sink);
}

// Transforms a column back, without the factor 1 / h: source(u) for u < h to column[r], r < rows.
template <class T, class Source>
LAMINA_INLINE void restore_column(const TileFft<T>& fft, int64_t rows, const Source& source,
                                  Complex<T>* column, Complex<T>* work) {
  fft_line(
      fft.h, work, [&](int64_t u) __attribute__((always_inline)) { return exchanged(source(u)); },
      [=](int64_t r, const Complex<T>& z) __attribute__((always_inline)) {
        if (r < rows) column[r] = exchanged(z);
      });
}

// Transforms rows [0, rows) back, without the factor 1 / w: sink(r, c, value) for c < columns.
template <class T, class Sink>
LAMINA_INLINE void restore_rows(const TileFft<T>& fft, int64_t rows, int64_t columns,
                                const Complex<T>* spectrum, const Sink& sink, Complex<T>* work) {
  const int64_t n = fft.w.size.n, h = fft.h.size.n;
  for (int64_t r = 0; r < rows; r += 2) {
    const bool pair = r + 1 < rows;
    fft_line(
        fft.w, work,
        [&](int64_t k) __attribute__((always_inline)) {
          const bool mirrored = k > n / 2;
          const Complex<T>* from = spectrum + (mirrored ? n - k : k) * h + r;
          Complex<T> a = from[0], b = pair ? from[1] : Complex<T>{};
          if (mirrored) a = conjugate(a), b = conjugate(b);
          return Complex<T>{a.im + b.re, a.re - b.im};  // a + i b, exchanged
        },
        [&](int64_t c, const Complex<T>& z) __attribute__((always_inline)) {
          if (c >= columns) return;
          sink(r, c, z.im);
          if (pair) sink(r + 1, c, z.re);
        });
  }
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

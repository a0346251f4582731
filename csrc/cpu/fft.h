// Fourier transforms of lines, many at once: every lane of a vector is a line of its own.
//
//   X[k] = sum over i < n of x[i] * exp(-2 pi sqrt(-1) i k / n),   n = 2^a 3^b 5^c
//
// Stockham's form: each stage combines elements n / radix apart and writes them where the next one
// wants them, so that no permutation is needed (Stockham 1966; Van Loan, Computational Frameworks
// for the FFT, 1.7).  The stages are of radix 2, 3, 4 and 5.  The inverse, without the factor 1 / n,
// is the transform with the real and imaginary parts exchanged on both sides.
#pragma once

#include "core/memory.h"
#include "cpu/conv_tile.h"
#include "cpu/vec.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

template <class T>
struct Complex {
  Vec<T> re, im;
};

#include "kernels/fft.inc"

// A size with its twiddle factors: stage by stage, for p < m and 1 <= j < radix the number
// exp(-2 pi i p j / (radix m)) as (re, im).
template <class T>
struct Fft {
  FftSize size;
  const T* twiddles;

  static int64_t twiddle_elements(const FftSize& size) {
    int64_t n = size.n, sum = 0;
    for (int s = 0; s < size.stages; ++s) {
      n /= size.radix[s];
      sum += 2 * n * (size.radix[s] - 1);
    }
    return sum;
  }

  Fft(const FftSize& size_, T* memory) : size(size_), twiddles(memory) {
    int64_t n = size.n;
    for (int s = 0; s < size.stages; ++s) {
      const int64_t radix = size.radix[s], m = n / radix;
      for (int64_t p = 0; p < m; ++p)
        for (int64_t j = 1; j < radix; ++j) {
          double re, im;
          unit_root(p * j, n, &re, &im);
          *memory++ = static_cast<T>(re);
          *memory++ = static_cast<T>(im);
        }
      n = m;
    }
  }
};

// Elements p of a stage over `n` elements that lie `s` apart; `turned` where twiddle factors are not 1.
template <class T, int R, bool turned>
LAMINA_INLINE void fft_stage_at(int64_t p, int64_t n, int64_t s, const T* twiddle,
                                const Complex<T>* from, Complex<T>* to) {
  const int64_t step = s * (n / R);
  Complex<T> w[R];
  if constexpr (turned) {
    LAMINA_UNROLL
    for (int j = 1; j < R; ++j)
      w[j] = {broadcast(twiddle[2 * j - 2]), broadcast(twiddle[2 * j - 1])};
  }
  from += s * p;
  to += s * R * p;
  for (int64_t q = 0; q < s; ++q) {
    Complex<T> a[R];
    LAMINA_UNROLL
    for (int j = 0; j < R; ++j) a[j] = from[q + step * j];
    butterfly<T>(a);
    to[q] = a[0];
    LAMINA_UNROLL
    for (int j = 1; j < R; ++j) to[q + s * j] = turned ? a[j] * w[j] : a[j];
  }
}

// One stage: n * s elements in all.
template <class T, int R>
LAMINA_INLINE void fft_stage(int64_t n, int64_t s, const T* twiddle, const Complex<T>* from,
                             Complex<T>* to) {
  fft_stage_at<T, R, false>(0, n, s, twiddle, from, to);
  for (int64_t p = 1; p < n / R; ++p)
    fft_stage_at<T, R, true>(p, n, s, twiddle + 2 * (R - 1) * p, from, to);
}

// Where the transform of from[0, n) lies: in `a` or `b`, of n numbers each, or, for n = 1, `from`.
// Not inline: callers fill and empty the lines, which L1 holds, and the stages exist once.
template <class T>
__attribute__((noinline)) const Complex<T>* fft_line(const Fft<T>& fft, const Complex<T>* from,
                                                     Complex<T>* a, Complex<T>* b) {
  const T* twiddle = fft.twiddles;
  int64_t n = fft.size.n, s = 1;
  for (int i = 0; i < fft.size.stages; ++i) {
    const int radix = fft.size.radix[i];
    if (radix == 4) fft_stage<T, 4>(n, s, twiddle, from, a);
    if (radix == 2) fft_stage<T, 2>(n, s, twiddle, from, a);
    if (radix == 3) fft_stage<T, 3>(n, s, twiddle, from, a);
    if (radix == 5) fft_stage<T, 5>(n, s, twiddle, from, a);
    Complex<T>* const done = a;
    from = done;
    a = b;
    b = done;
    n /= radix;
    s *= radix;
    twiddle += 2 * n * (radix - 1);
  }
  return from;
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

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

// One stage over `n` elements that lie `s` apart: n * s elements in all.
template <class T, int R, class Load, class Store>
LAMINA_INLINE void fft_stage(int64_t n, int64_t s, const T* twiddle, const Load& load_at,
                             const Store& store_at) {
  const int64_t m = n / R;
  for (int64_t p = 0; p < m; ++p, twiddle += 2 * (R - 1)) {
    Complex<T> w[R];
    LAMINA_UNROLL
    for (int j = 1; j < R; ++j)
      w[j] = {broadcast(twiddle[2 * j - 2]), broadcast(twiddle[2 * j - 1])};
    for (int64_t q = 0; q < s; ++q) {
      Complex<T> a[R];
      LAMINA_UNROLL
      for (int j = 0; j < R; ++j) a[j] = load_at(q + s * (p + m * j));
      butterfly<T>(a);
      store_at(q + s * (R * p), a[0]);
      LAMINA_UNROLL
      for (int j = 1; j < R; ++j) store_at(q + s * (R * p + j), m == 1 ? a[j] : a[j] * w[j]);
    }
  }
}

template <class T, class Load, class Store>
LAMINA_INLINE void fft_stage(int radix, int64_t n, int64_t s, const T* twiddle, const Load& load_at,
                             const Store& store_at) {
  if (radix == 4) fft_stage<T, 4>(n, s, twiddle, load_at, store_at);
  if (radix == 2) fft_stage<T, 2>(n, s, twiddle, load_at, store_at);
  if (radix == 3) fft_stage<T, 3>(n, s, twiddle, load_at, store_at);
  if (radix == 5) fft_stage<T, 5>(n, s, twiddle, load_at, store_at);
}

// A stage from one buffer to another: those between a transform's first and last.
template <class T>
__attribute__((noinline)) void fft_middle_stage(int radix, int64_t n, int64_t s, const T* twiddle,
                                                const Complex<T>* from, Complex<T>* to) {
  const auto read = [=](int64_t i) __attribute__((always_inline)) { return from[i]; };
  const auto write = [=](int64_t i, const Complex<T>& v)
                         __attribute__((always_inline)) { to[i] = v; };
  fft_stage<T>(radix, n, s, twiddle, read, write);
}

// The transform of load_at(i), i < n, to store_at(k, value), each called once for each i and k;
// `work` holds 2 n numbers.
template <class T, class Load, class Store>
LAMINA_INLINE void fft_line(const Fft<T>& fft, Complex<T>* work, const Load& load_at,
                            const Store& store_at) {
  const FftSize& size = fft.size;
  if (size.stages == 0) return store_at(0, load_at(0));
  const T* twiddle = fft.twiddles;
  int64_t n = size.n, s = 1;
  if (size.stages == 1) return fft_stage<T>(size.radix[0], n, s, twiddle, load_at, store_at);
  Complex<T>*from = work, *to = work + n;
  fft_stage<T>(size.radix[0], n, s, twiddle, load_at,
               [=](int64_t i, const Complex<T>& v) __attribute__((always_inline)) { from[i] = v; });
  for (int i = 1;; ++i) {
    s *= size.radix[i - 1];
    n /= size.radix[i - 1];
    twiddle += 2 * n * (size.radix[i - 1] - 1);
    if (i + 1 == size.stages) break;
    fft_middle_stage<T>(size.radix[i], n, s, twiddle, from, to);
    Complex<T>* const swap = from;
    from = to;
    to = swap;
  }
  fft_stage<T>(
      size.radix[size.stages - 1], n, s, twiddle,
      [=](int64_t i) __attribute__((always_inline)) { return from[i]; }, store_at);
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

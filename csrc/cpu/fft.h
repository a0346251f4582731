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

inline constexpr int kMostStages = 8;
inline constexpr int64_t kLargestFft = 256;

template <class T>
struct Complex {
  Vec<T> re, im;
};

template <class T>
LAMINA_INLINE Complex<T> operator+(const Complex<T>& a, const Complex<T>& b) {
  return {a.re + b.re, a.im + b.im};
}
template <class T>
LAMINA_INLINE Complex<T> operator-(const Complex<T>& a, const Complex<T>& b) {
  return {a.re - b.re, a.im - b.im};
}
template <class T>
LAMINA_INLINE Complex<T> operator*(const Complex<T>& a, const Complex<T>& b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
template <class T>
LAMINA_INLINE Complex<T> conjugate(const Complex<T>& a) {
  return {a.re, -a.im};
}
template <class T>
LAMINA_INLINE Complex<T> exchanged(const Complex<T>& a) {
  return {a.im, a.re};
}
template <class T>
LAMINA_INLINE Complex<T> minus_i_times(const Complex<T>& a) {
  return {a.im, -a.re};
}

// The factors of n; the last stage needs no twiddle factors, and the first has the most.
struct FftSize {
  int64_t n = 1;
  int stages = 0;
  int radix[kMostStages] = {};
};

LAMINA_INLINE bool factor(int64_t n, FftSize& size) {
  size = {n, 0, {}};
  constexpr int kRadices[] = {5, 3, 4, 2};
  for (const int radix : kRadices)
    for (; n % radix == 0 && size.stages < kMostStages; n /= radix)
      size.radix[size.stages++] = radix;
  return n == 1;
}

// cos and sin of -2 pi k / n, exact in the four directions of the axes.
LAMINA_INLINE void unit_root(int64_t k, int64_t n, double* re, double* im) {
  constexpr double kPi = 3.14159265358979323846;
  const int64_t quarter = 4 * k / n,
                rest = 4 * k - quarter * n;  // angle = (quarter + rest / n) * pi / 2
  const double angle = 0.5 * kPi * static_cast<double>(rest) / static_cast<double>(n);
  const double c = __builtin_cos(angle), s = -__builtin_sin(angle);
  *re = quarter == 0 ? c : quarter == 1 ? s : quarter == 2 ? -c : -s;
  *im = quarter == 0 ? s : quarter == 1 ? -c : quarter == 2 ? -s : c;
}

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

// a = the transform of a over its R elements.
template <class T>
LAMINA_INLINE void butterfly(Complex<T> (&a)[2]) {
  const Complex<T> b = a[0] - a[1];
  a[0] = a[0] + a[1];
  a[1] = b;
}

template <class T>
LAMINA_INLINE void butterfly(Complex<T> (&a)[3]) {
  constexpr T kSin60 = static_cast<T>(0.86602540378443864676);
  const Complex<T> sum = a[1] + a[2], difference = a[1] - a[2];
  const Complex<T> middle{a[0].re - T(0.5) * sum.re, a[0].im - T(0.5) * sum.im};
  a[0] = a[0] + sum;
  a[1] = {middle.re + kSin60 * difference.im, middle.im - kSin60 * difference.re};
  a[2] = {middle.re - kSin60 * difference.im, middle.im + kSin60 * difference.re};
}

template <class T>
LAMINA_INLINE void butterfly(Complex<T> (&a)[4]) {
  const Complex<T> even = a[0] + a[2], odd = a[0] - a[2];
  const Complex<T> sum = a[1] + a[3], turned = minus_i_times(a[1] - a[3]);
  a[0] = even + sum;
  a[1] = odd + turned;
  a[2] = even - sum;
  a[3] = odd - turned;
}

template <class T>
LAMINA_INLINE void butterfly(Complex<T> (&a)[5]) {
  constexpr T kCos72 = static_cast<T>(0.30901699437494742410),
              kCos144 = static_cast<T>(-0.80901699437494742410);
  constexpr T kSin72 = static_cast<T>(0.95105651629515357212),
              kSin144 = static_cast<T>(0.58778525229247312917);
  const Complex<T> s1 = a[1] + a[4], d1 = a[1] - a[4], s2 = a[2] + a[3], d2 = a[2] - a[3];
  const Complex<T> m1{a[0].re + kCos72 * s1.re + kCos144 * s2.re,
                      a[0].im + kCos72 * s1.im + kCos144 * s2.im};
  const Complex<T> m2{a[0].re + kCos144 * s1.re + kCos72 * s2.re,
                      a[0].im + kCos144 * s1.im + kCos72 * s2.im};
  const Complex<T> t1{kSin72 * d1.re + kSin144 * d2.re, kSin72 * d1.im + kSin144 * d2.im};
  const Complex<T> t2{kSin144 * d1.re - kSin72 * d2.re, kSin144 * d1.im - kSin72 * d2.im};
  a[0] = a[0] + s1 + s2;
  a[1] = m1 + minus_i_times(t1);
  a[4] = m1 - minus_i_times(t1);
  a[2] = m2 + minus_i_times(t2);
  a[3] = m2 - minus_i_times(t2);
}

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

// The tiles' transform of fft_tile.h, by itself: what tests hold against another library's.
#include "kernels/fft.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/fft_tile.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

bool offers(int64_t h, int64_t w) {
  FftSize size;
  return h >= 1 && h <= kLargestFft && w >= 2 && w <= kLargestFft && w % 2 == 0 &&
         factor(h, size) && factor(w, size);
}

void transform(DType dtype, int64_t count, int64_t h, int64_t w, const void* x, void* y) {
  visit_real(dtype, [&](auto of) {
    using T = decltype(of);
    constexpr int64_t n = kLanes<T>;
    FftSize rows, columns;
    factor(h, rows);
    factor(w, columns);
    Scratch roots((Fft<T>::twiddle_elements(rows) + Fft<T>::twiddle_elements(columns) + 1) *
                  sizeof(T));
    const TileFft<T> fft{Fft<T>(rows, roots.as<T>()),
                         Fft<T>(columns, roots.as<T>() + Fft<T>::twiddle_elements(rows))};
    parallel_for((count + n - 1) / n, 1, [&](int64_t begin, int64_t end) {
      Scratch scratch((fft.elements() + fft.work()) * sizeof(Complex<T>));
      Complex<T>*spectrum = scratch.as<Complex<T>>(), *work = spectrum + fft.elements();
      for (int64_t first = begin * n; first < end * n; first += n) {
        const int64_t lanes = count - first < n ? count - first : n;
        const T* from = static_cast<const T*>(x) + first * h * w;
        transform_rows<T>(
            fft, h, w,
            [&](int64_t r, int64_t c) {
              Vec<T> v{};
              for (int64_t l = 0; l < lanes; ++l) v[l] = from[(l * h + r) * w + c];
              return v;
            },
            spectrum, work);
        for (int64_t v = 0; v < fft.columns(); ++v) {
          const Complex<T>* column = transform_column<T>(fft, h, spectrum + v * h, work);
          for (int64_t u = 0; u < h; ++u) {
            T* to = static_cast<T*>(y) + 2 * ((first * h + u) * fft.columns() + v);
            for (int64_t l = 0; l < lanes; ++l, to += 2 * h * fft.columns()) {
              to[0] = column[u].re[l];
              to[1] = column[u].im[l];
            }
          }
        }
      }
    });
  });
}

}  // namespace

LAMINA_CPU_KERNELS(RealFft, fft){&offers, &transform};

}  // namespace lamina::cpu::LAMINA_ISA

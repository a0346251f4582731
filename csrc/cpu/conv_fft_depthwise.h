// Depthwise convolution by FFT: a vector of channels goes through a tile's whole way, forth, product
// and back, in one task; the tile's spectrum stays in L2, and a column of it in L1 from the forward
// transform to the inverse one.
#pragma once

#include "cpu/conv_fft.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int64_t kFftParts = 8;  // of the weight gradient's tiles

template <class T>
struct FftDepthwise {
  TapSum sum;
  FftPlan plan;
  TileFft<T> fft;
  int64_t channels;

  static constexpr int64_t n = kLanes<T>;
  int64_t vectors() const { return ceil_div(channels, n); }
  int64_t tiles() const { return sum.n * sum.grid[0] * plan.tiles(); }
  int64_t kernel_rows() const { return sum.axis[1].count; }
  int64_t kernel_columns() const { return sum.axis[2].count; }
  int64_t spectrum_bytes() const { return fft.elements() * sizeof(Complex<T>); }

  LAMINA_INLINE TilePixels<T> inputs(const T* x, const FftTile& tile, int64_t v) const {
    return tile_pixels(x, sum.x_stride, tile, tile.d * sum.step[0] + sum.axis[0].offset, sum.in,
                       sum.axis[1].offset, sum.axis[2].offset, v * n, channels);
  }

  // The conjugate spectra of the kernels, scaled by 1 / (h w); tap(c, row, column).
  template <class Tap>
  void transform_weights(const Tap& tap, Complex<T>* weights) const {
    parallel_for(vectors(), 1, [&](int64_t begin, int64_t end) {
      Scratch scratch(fft.work() * sizeof(Complex<T>));
      Complex<T>* work = scratch.as<Complex<T>>();
      const T scale = T(1) / static_cast<T>(fft.h.size.n * fft.w.size.n);
      for (int64_t v = begin; v < end; ++v) {
        Complex<T>* to = weights + v * fft.elements();
        transform_rows<T>(
            fft, kernel_rows(), kernel_columns(),
            [&](int64_t r, int64_t c) {
              Vec<T> w{};
              for (int64_t l = 0; l < n && v * n + l < channels; ++l) w[l] = tap(v * n + l, r, c);
              return w;
            },
            to, work);
        for (int64_t k = 0; k < fft.columns(); ++k) {
          Complex<T>* column = to + k * fft.h.size.n;
          const Complex<T>* z = transform_column<T>(fft, kernel_rows(), column, work);
          for (int64_t u = 0; u < fft.h.size.n; ++u)
            column[u] = {scale * z[u].re, -scale * z[u].im};
        }
      }
    });
  }

  // y = x * w + bias; whether every sum is finite.
  bool run(const T* x, const Complex<T>* weights, const T* bias, T* y) const {
    const int64_t tasks = tiles() * vectors();
    Scratch flags(tasks);
    bool* finite = flags.as<bool>();
    parallel_for(tasks, 1, [&](int64_t begin, int64_t end) {
      Scratch scratch(spectrum_bytes() + 2 * fft.work() * sizeof(Complex<T>));
      for (int64_t task = begin; task < end; ++task)
        finite[task] = run_tile(tile_at(plan, sum, task % tiles()), task / tiles(), x, weights,
                                bias, y, scratch.as<Complex<T>>());
    });
    bool all = true;
    for (int64_t task = 0; task < tasks; ++task) all &= finite[task];
    return all;
  }

  bool run_tile(const FftTile& tile, int64_t v, const T* x, const Complex<T>* weights,
                const T* bias, T* y, Complex<T>* spectrum) const {
    const int64_t h = fft.h.size.n;
    Complex<T>*work = spectrum + fft.elements(), *product = work + fft.work();
    const int64_t rows = tile.rows + kernel_rows() - 1;
    transform_rows<T>(fft, rows, tile.columns + kernel_columns() - 1, inputs(x, tile, v), spectrum,
                      work);
    for (int64_t k = 0; k < fft.columns(); ++k) {
      const Complex<T>* w = weights + v * fft.elements() + k * h;
      Complex<T>* column = spectrum + k * h;
      const Complex<T>* z = transform_column<T>(fft, rows, column, work);
      for (int64_t u = 0; u < h; ++u) product[u] = exchanged(z[u] * w[u]);
      restore_column<T>(fft, tile.rows, product, column, work);
    }
    const int64_t existing = channels - v * n;
    T* to = y + tile.n * sum.y_stride[0] + v * n * sum.y_stride[1] + tile.d * sum.y_stride[2] +
            tile.h * sum.y_stride[3] + tile.w * sum.y_stride[4];
    const Vec<T> b =
        bias ? load_lanes(bias + v * n, existing < n ? int(existing) : int(n)) : Vec<T>{};
    Finite<T> finite;
    restore_rows<T>(
        fft, tile.rows, tile.columns, spectrum,
        [&](int64_t r, int64_t c, Vec<T> value) __attribute__((always_inline)) {
          finite.see(value);
          store_channels<T>(to + r * sum.y_stride[3] + c * sum.y_stride[4], sum.y_stride[1],
                            existing, value + b);
        },
        work);
    return finite.all();
  }

  // dw (channels, rows, columns) from x and dy; whether all of it is finite.  Parts of the tiles have
  // spectra of their own, which are added in order.
  bool wgrad(const T* x, const T* dy, T* dw) const {
    const int64_t parts = clamp(tiles() / 2, 1, kFftParts);
    Scratch sums(parts * vectors() * spectrum_bytes()), flags(vectors());
    Complex<T>* total = sums.as<Complex<T>>();
    bool* finite = flags.as<bool>();
    parallel_for(parts * vectors(), 1, [&](int64_t begin, int64_t end) {
      Scratch scratch(2 *
                      (spectrum_bytes() + fft.work() * static_cast<int64_t>(sizeof(Complex<T>))));
      for (int64_t task = begin; task < end; ++task) {
        const int64_t part = task / vectors();
        for (int64_t t = tiles() * part / parts; t < tiles() * (part + 1) / parts; ++t)
          add_tile(tile_at(plan, sum, t), task % vectors(), x, dy, total + task * fft.elements(),
                   t == tiles() * part / parts, scratch.as<Complex<T>>());
      }
    });
    parallel_for(vectors(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t v = begin; v < end; ++v)
        finite[v] = finish_gradient(v, parts, total + v * fft.elements(), dw);
    });
    bool all = true;
    for (int64_t v = 0; v < vectors(); ++v) all &= finite[v];
    return all;
  }

  void add_tile(const FftTile& tile, int64_t v, const T* x, const T* dy, Complex<T>* total,
                bool first, Complex<T>* spectrum) const {
    const int64_t h = fft.h.size.n;
    Complex<T>*grads = spectrum + fft.elements(), *work = grads + fft.elements(),
    *grad_work = work + fft.work();
    const int64_t rows = tile.rows + kernel_rows() - 1;
    transform_rows<T>(fft, rows, tile.columns + kernel_columns() - 1, inputs(x, tile, v), spectrum,
                      work);
    transform_rows<T>(fft, tile.rows, tile.columns,
                      tile_pixels(dy, sum.y_stride, tile, tile.d, sum.grid, 0, 0, v * n, channels),
                      grads, work);
    for (int64_t k = 0; k < fft.columns(); ++k) {
      const Complex<T>* a = transform_column<T>(fft, rows, spectrum + k * h, work);
      const Complex<T>* b = transform_column<T>(fft, tile.rows, grads + k * h, grad_work);
      Complex<T>* to = total + k * h;
      for (int64_t u = 0; u < h; ++u) {
        const Complex<T> product = a[u] * conjugate(b[u]);
        to[u] = first ? product : to[u] + product;
      }
    }
  }

  bool finish_gradient(int64_t v, int64_t parts, Complex<T>* total, T* dw) const {
    const int64_t h = fft.h.size.n, next = vectors() * fft.elements();
    Scratch scratch(fft.work() * sizeof(Complex<T>));
    Complex<T>*work = scratch.as<Complex<T>>(), *line = work + 2 * h;
    for (int64_t i = 0; i < fft.elements(); ++i)
      for (int64_t p = 1; p < parts; ++p) total[i] = total[i] + total[p * next + i];
    for (int64_t k = 0; k < fft.columns(); ++k) {
      Complex<T>* column = total + k * h;
      for (int64_t u = 0; u < h; ++u) line[u] = exchanged(column[u]);
      restore_column<T>(fft, kernel_rows(), line, column, work);
    }
    const int64_t taps = kernel_rows() * kernel_columns();
    const Vec<T> scale = broadcast(T(1) / static_cast<T>(h * fft.w.size.n));
    Finite<T> finite;
    restore_rows<T>(
        fft, kernel_rows(), kernel_columns(), total,
        [&](int64_t r, int64_t c, Vec<T> value) {
          finite.see(value);
          store_channels<T>(dw + v * n * taps + r * kernel_columns() + c, taps, channels - v * n,
                            value * scale);
        },
        work);
    return finite.all();
  }
};

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

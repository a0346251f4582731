// Dense convolution by FFT, in three steps over the tiles of a chunk: transforms of the inputs, one
// complex matrix product (tiles x c) * (c x k) for each frequency, inverse transforms.
//
//   V [frequency][part][tile][channel]     spectra of activations, channels in whole vectors
//   U [frequency][part][c][k]              spectra of the weights, or of their gradient
// with the real part before the imaginary one.  A chunk is as many tiles as keep V within some
// megabytes; strides between frequencies are odd numbers of cache lines, as a transform writes a
// column of them at once.
#pragma once

#include "cpu/conv_fft.h"
#include "cpu/conv_fft_products.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

inline constexpr int64_t kChunkBytes = int64_t{24} << 20;

// Planes of spectra, `lines` rows of whole vectors of channels for each frequency and part.
template <class T>
struct Spectra {
  T* data;
  int64_t lines, width;

  Spectra(T* data_, int64_t lines_, int64_t channels)
      : data(data_), lines(lines_), width(ceil_div(channels, kLanes<T>) * kLanes<T>) {}
  LAMINA_INLINE int64_t part() const { return lines * width; }
  LAMINA_INLINE int64_t frequency() const {
    return 2 * part() + (kVectorBytes < 64 ? 64 : kVectorBytes) / static_cast<int64_t>(sizeof(T));
  }
  LAMINA_INLINE T* at(int64_t f, int64_t line, int64_t channel) const {
    return data + f * frequency() + line * width + channel;
  }
};

template <class T>
struct FftDense {
  TapSum sum;  // of one group
  FftPlan plan;
  TileFft<T> fft;

  static constexpr int64_t n = kLanes<T>;
  int64_t tiles() const { return sum.n * sum.grid[0] * plan.tiles(); }
  int64_t kernel_rows() const { return sum.axis[1].count; }
  int64_t kernel_columns() const { return sum.axis[2].count; }
  int64_t frequencies() const { return fft.elements(); }
  int64_t elements(int64_t lines, int64_t channels) const {
    return frequencies() * Spectra<T>(nullptr, lines, channels).frequency();
  }
  int64_t chunk_tiles() const {
    const int64_t tile = elements(1, sum.c) + elements(1, sum.k);
    const int64_t most = clamp(kChunkBytes / (tile * static_cast<int64_t>(sizeof(T))), 2, tiles());
    return ceil_div(tiles(), ceil_div(tiles(), most));
  }

  // The spectrum of a tile's vector of channels to line `line` of `to`.
  template <class Pixel>
  void transform(int64_t rows, int64_t columns, const Pixel& pixel, const Spectra<T>& to,
                 int64_t line, int64_t channel, T scale_re, T scale_im,
                 Complex<T>* spectrum) const {
    const int64_t h = fft.h.size.n;
    Complex<T>* work = spectrum + fft.elements();
    transform_rows<T>(fft, rows, columns, pixel, spectrum, work);
    const int64_t part = to.part(), step = to.frequency();
    for (int64_t k = 0; k < fft.columns(); ++k) {
      T* at = to.at(k * h, line, channel);
      const Complex<T>* column = transform_column<T>(fft, rows, spectrum + k * h, work);
      for (int64_t u = 0; u < h; ++u) {
        store(at + u * step, scale_re * column[u].re);
        store(at + u * step + part, scale_im * column[u].im);
      }
    }
  }

  // Back from line `line`: sink(r, c, value).
  template <class Sink>
  void restore(int64_t rows, int64_t columns, const Spectra<T>& from, int64_t line, int64_t channel,
               const Sink& sink, Complex<T>* spectrum) const {
    const int64_t h = fft.h.size.n;
    Complex<T>*work = spectrum + fft.elements(), *numbers = work + 2 * h;
    const int64_t part = from.part(), step = from.frequency();
    for (int64_t k = 0; k < fft.columns(); ++k) {
      const T* at = from.at(k * h, line, channel);
      for (int64_t u = 0; u < h; ++u)
        numbers[u] = exchanged(Complex<T>{load(at + u * step), load(at + u * step + part)});
      restore_column<T>(fft, rows, numbers, spectrum + k * h, work);
    }
    restore_rows<T>(fft, rows, columns, spectrum, sink, work);
  }

  // f(item, scratch) for every item of `count`.
  template <class F>
  void for_each(int64_t count, const F& f) const {
    parallel_for(count, 1, [&](int64_t begin, int64_t end) {
      Scratch scratch((fft.elements() + fft.work()) * sizeof(Complex<T>));
      for (int64_t i = begin; i < end; ++i) f(i, scratch.as<Complex<T>>());
    });
  }

  void transform_inputs(const T* x, int64_t first, const Spectra<T>& to) const {
    const int64_t vectors = to.width / n;
    for_each(to.lines * vectors, [&](int64_t i, Complex<T>* scratch) {
      const FftTile tile = tile_at(plan, sum, first + i / vectors);
      const int64_t channel = i % vectors * n;
      transform(tile.rows + kernel_rows() - 1, tile.columns + kernel_columns() - 1,
                tile_pixels(x, sum.x_stride, tile, tile.d * sum.step[0] + sum.axis[0].offset,
                            sum.in, sum.axis[1].offset, sum.axis[2].offset, channel, sum.c),
                to, i / vectors, channel, T(1), T(1), scratch);
    });
  }

  // U from tap(k, c, row, column), conjugate and scaled by 1 / (h w).
  template <class Tap>
  void transform_weights(const Tap& tap, const Spectra<T>& to) const {
    const int64_t vectors = to.width / n;
    const T scale = T(1) / static_cast<T>(fft.h.size.n * fft.w.size.n);
    for_each(sum.c * vectors, [&](int64_t i, Complex<T>* scratch) {
      const int64_t channel = i % vectors * n;
      transform(
          kernel_rows(), kernel_columns(),
          [&](int64_t r, int64_t c) {
            Vec<T> w{};
            for (int64_t l = 0; l < n && channel + l < sum.k; ++l)
              w[l] = tap(channel + l, i / vectors, r, c);
            return w;
          },
          to, i / vectors, channel, scale, -scale, scratch);
    });
  }

  // y = x * w + bias over all tiles; whether every sum is finite.
  template <class Tap>
  bool run(const T* x, const Tap& tap, const T* bias, T* y) const {
    const int64_t chunk = chunk_tiles();
    Scratch memory((elements(sum.c, sum.k) + elements(chunk, sum.c) + elements(chunk, sum.k)) *
                   sizeof(T));
    const Spectra<T> weights(memory.as<T>(), sum.c, sum.k);
    T* rest = memory.as<T>() + elements(sum.c, sum.k);
    transform_weights(tap, weights);
    bool all = true;
    for (int64_t first = 0; first < tiles(); first += chunk) {
      const int64_t count = chunk < tiles() - first ? chunk : tiles() - first;
      const Spectra<T> inputs(rest, count, sum.c),
          outputs(rest + elements(count, sum.c), count, sum.k);
      transform_inputs(x, first, inputs);
      parallel_for(frequencies(), 8, [&](int64_t begin, int64_t end) {
        for (int64_t f = begin; f < end; ++f)
          multiply_complex<T>(count, outputs.width / n, sum.c,
                              {inputs.at(f, 0, 0), inputs.width, 1, inputs.part()},
                              {weights.at(f, 0, 0), weights.width, 1, weights.part()},
                              {outputs.at(f, 0, 0), outputs.width, 1, outputs.part()}, false);
      });
      all &= restore_outputs(outputs, first, bias, y);
    }
    return all;
  }

  bool restore_outputs(const Spectra<T>& from, int64_t first, const T* bias, T* y) const {
    const int64_t vectors = from.width / n, tasks = from.lines * vectors;
    Scratch flags(tasks);
    bool* finite = flags.as<bool>();
    for_each(tasks, [&](int64_t i, Complex<T>* scratch) {
      const FftTile tile = tile_at(plan, sum, first + i / vectors);
      const int64_t channel = i % vectors * n, existing = sum.k - channel;
      T* to = y + tile.n * sum.y_stride[0] + channel * sum.y_stride[1] + tile.d * sum.y_stride[2] +
              tile.h * sum.y_stride[3] + tile.w * sum.y_stride[4];
      const Vec<T> b =
          bias ? load_lanes(bias + channel, existing < n ? int(existing) : int(n)) : Vec<T>{};
      Finite<T> seen;
      restore(
          tile.rows, tile.columns, from, i / vectors, channel,
          [&](int64_t r, int64_t c, Vec<T> value) __attribute__((always_inline)) {
            seen.see(value);
            store_channels<T>(to + r * sum.y_stride[3] + c * sum.y_stride[4], sum.y_stride[1],
                              existing, value + b);
          },
          scratch);
      finite[i] = seen.all();
    });
    bool all = true;
    for (int64_t i = 0; i < tasks; ++i) all &= finite[i];
    return all;
  }

  // dw (k, c, rows, columns); whether all of it is finite.
  bool wgrad(const T* x, const T* dy, T* dw) const {
    const int64_t chunk = chunk_tiles();
    Scratch memory((elements(sum.c, sum.k) + elements(chunk, sum.c) + elements(chunk, sum.k)) *
                   sizeof(T));
    const Spectra<T> total(memory.as<T>(), sum.c, sum.k);
    T* rest = memory.as<T>() + elements(sum.c, sum.k);
    for (int64_t first = 0; first < tiles(); first += chunk) {
      const int64_t count = chunk < tiles() - first ? chunk : tiles() - first;
      const Spectra<T> inputs(rest, count, sum.c),
          grads(rest + elements(count, sum.c), count, sum.k);
      transform_inputs(x, first, inputs);
      transform_grads(dy, first, grads);
      parallel_for(frequencies(), 8, [&](int64_t begin, int64_t end) {
        for (int64_t f = begin; f < end; ++f)
          multiply_complex<T>(sum.c, total.width / n, count,
                              {inputs.at(f, 0, 0), 1, inputs.width, inputs.part()},
                              {grads.at(f, 0, 0), grads.width, 1, grads.part()},
                              {total.at(f, 0, 0), total.width, 1, total.part()}, first > 0);
      });
    }
    return restore_weights(total, dw);
  }

  // Conjugate spectra of the positions of dy.
  void transform_grads(const T* dy, int64_t first, const Spectra<T>& to) const {
    const int64_t vectors = to.width / n;
    for_each(to.lines * vectors, [&](int64_t i, Complex<T>* scratch) {
      const FftTile tile = tile_at(plan, sum, first + i / vectors);
      const int64_t channel = i % vectors * n;
      transform(tile.rows, tile.columns,
                tile_pixels(dy, sum.y_stride, tile, tile.d, sum.grid, 0, 0, channel, sum.k), to,
                i / vectors, channel, T(1), T(-1), scratch);
    });
  }

  bool restore_weights(const Spectra<T>& from, T* dw) const {
    const int64_t vectors = from.width / n, tasks = sum.c * vectors,
                  taps = kernel_rows() * kernel_columns();
    const Vec<T> scale = broadcast(T(1) / static_cast<T>(fft.h.size.n * fft.w.size.n));
    Scratch flags(tasks);
    bool* finite = flags.as<bool>();
    for_each(tasks, [&](int64_t i, Complex<T>* scratch) {
      const int64_t channel = i % vectors * n;
      T* to = dw + (channel * sum.c + i / vectors) * taps;
      Finite<T> seen;
      restore(
          kernel_rows(), kernel_columns(), from, i / vectors, channel,
          [&](int64_t r, int64_t c, Vec<T> value) {
            seen.see(value);
            store_channels<T>(to + r * kernel_columns() + c, sum.c * taps, sum.k - channel,
                              value * scale);
          },
          scratch);
      finite[i] = seen.all();
    });
    bool all = true;
    for (int64_t i = 0; i < tasks; ++i) all &= finite[i];
    return all;
  }
};

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

// Depthwise convolution of 3x3 kernels with stride 1 or 2 on float32 channels-last activations, read
// and written where they lie: forward, and the input gradient.
//
// A tile is R rows of one vector of channels.  It walks along the row with all nine weights in
// registers; a row of x that several of the tile's rows meet is loaded once for all of them: 18
// loads for 36 multiply-adds with stride 1.  The input gradient with stride 2 makes two rows and
// two columns of dx from each of dy, so that dy is read once and not once for every residue.
//
// Bound by memory.  On a Zen 5 core the input gradient of 32 channels at 112x112 with stride 1 moves
// 48 GB/s where a copy of as much moves 73, of 512 at 14x14 43 where a copy moves 97 (the pixels of
// a row share two of L1's sets; without staging y 200 us instead of 150).  From L2, forward of one image of
// 384 channels at 14x14 takes 9 us, 150 GFLOP/s.
#pragma once

#include "cpu/conv_depthwise.h"
#include "cpu/conv_kept.h"
#include "cpu/conv_pack_weights.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

#if defined(__AVX512F__)
inline constexpr int kBandRows = 4;
#else
inline constexpr int kBandRows = 2;
#endif
inline constexpr int kTaps3x3 = 9;
inline constexpr int64_t kBandWork = 1 << 13;      // multiply-adds of vectors worth a task
inline constexpr int64_t kCachedBytes = 4 << 20;   // of an activation that needs no prefetching
inline constexpr int64_t kConflictBytes = 2048;    // pixels so far apart share two of L1's sets
inline constexpr int64_t kStagedBytes = 28 << 10;  // of rows of a band on their way to such a y

// An activation whose channels lie together.
template <class T>
struct Plane {
  T* data;
  int64_t image, row, pixel;  // strides
  int64_t height, width;

  LAMINA_INLINE Plane(const ConvTensor& a, const int64_t* extent)
      : data(static_cast<T*>(a.data)),
        image(a.stride[0]),
        row(a.stride[3]),
        pixel(a.stride[4]),
        height(extent[1]),
        width(extent[2]) {}
};

// Channels in vectors: the last one is moved back to end with the last channel; what it shares with
// the one before comes out the same twice.
template <class T>
struct ChannelVectors {
  int64_t channels;
  LAMINA_INLINE int64_t count() const { return ceil_div(channels, kLanes<T>); }
  LAMINA_INLINE int64_t first(int64_t v) const {
    const int64_t most = channels - kLanes<T>;
    return v * kLanes<T> < most ? v * kLanes<T> : most;
  }
};

// Whether the rows of `n` images are not in the cache when a band comes to them.
template <class T>
LAMINA_INLINE bool streams(int64_t n, const Plane<T>& x) {
  return n * x.height * x.width * x.pixel * static_cast<int64_t>(sizeof(T)) > kCachedBytes;
}

// f.operator()<R>(row) for rows [begin, end) in bands of kBandRows, of 2 and of 1.
template <class F>
LAMINA_INLINE void for_each_rows(int64_t begin, int64_t end, const F& f) {
  if constexpr (kBandRows > 2)
    for (; begin + kBandRows <= end; begin += kBandRows) f.template operator()<kBandRows>(begin);
  for (; begin + 2 <= end; begin += 2) f.template operator()<2>(begin);
  if (begin < end) f.template operator()<1>(begin);
}

// What a pass reads may lie in any order: where its channels don't lie together it is copied first.
template <class T>
class Source {
 public:
  Source(const ConvTensor& a, const ConvShape& s, const int64_t* extent)
      : copied_(a.stride[1] != 1),
        memory_(copied_ ? s.n * extent[1] * extent[2] * s.c * sizeof(T) : 0),
        plane(a, extent) {
    if (!copied_) return;
    plane.data = memory_.template as<T>();
    plane.pixel = s.c;
    plane.row = extent[2] * s.c;
    plane.image = extent[1] * plane.row;
    parallel_for(s.n * extent[1], 1, [&](int64_t row, int64_t) {
      const int64_t n = row / extent[1], h = row % extent[1];
      const ImageBox<T> box{static_cast<const T*>(a.data),
                            a.stride,
                            extent,
                            n,
                            1,
                            {0, h, 0},
                            {1, 1, extent[2]},
                            {1, s.c, s.c}};
      pack_image(box, plane.data + row * plane.row);
    });
  }

 private:
  bool copied_;
  Scratch memory_;

 public:
  Plane<T> plane;
};

// `made`, where the pass makes an activation.
LAMINA_INLINE bool fits_3x3(const ConvShape& s, DType dtype, const ConvTensor* made = nullptr) {
  bool fits = dtype == DType::float32 && s.c == s.groups && s.k == s.groups;
  fits &= s.c >= kLanes<float>;
  fits &= (!made || made->stride[1] == 1) && s.stride[1] == s.stride[2] && s.stride[1] <= 2;
  fits &= s.kernel[0] == 1 && s.in[0] == 1 && s.out[0] == 1 && s.pad[0] == 0;
  for (int d = 1; d < kConvDims; ++d) fits &= s.kernel[d] == 3 && s.dilation[d] == 1;
  return fits;
}

// The weights (c, 3, 3) as [vector][tap][lane].
template <class T>
void pack_3x3(const ChannelVectors<T>& vectors, const T* w, bool reversed, T* packed) {
  const T* end = w + vectors.channels * kTaps3x3;
  for (int64_t v = 0; v < vectors.count(); ++v)
    for_each_column(w + vectors.first(v) * kTaps3x3, kTaps3x3, kLanes<T>, kTaps3x3, end,
                    [&](int64_t t, Vec<T> lanes) {
                      const int64_t at = reversed ? kTaps3x3 - 1 - t : t;
                      store(packed + (v * kTaps3x3 + at) * kLanes<T>, lanes);
                    });
}

// Some rows of one vector of channels of y, and what they are made from.
template <class T>
struct Band {
  const T* x;  // column 0 of the first row that is met, which may lie outside of x
  int64_t x_row, x_pixel, columns;
  int64_t met_begin, met_end;  // of the rows that are met, those inside of x
  int64_t pad;                 // columns
  int64_t ahead;               // from a row to what the next band needs of it; 0: it is cached
  const T* w;                  // [tap][lane]
  const T* bias;               // [lane]
  T* y;
  int64_t y_row, y_pixel, width;
  int64_t made_begin, made_end;  // of the rows that are made, those inside of y
  Epilogue<T> epilogue;
};

template <class T>
LAMINA_INLINE void load_3x3(const T* w, Vec<T> (&weight)[kTaps3x3]) {
  LAMINA_UNROLL
  for (int i = 0; i < kTaps3x3; ++i) weight[i] = in_register<T>(load(w + i * kLanes<T>));
}

// y[r][o] = bias + sum of x[r * Step + i][o * Step + t - pad] * w[i][t].  Edge: some rows are missing.
template <class T, int R, int Step, bool Edge>
__attribute__((noinline)) void fprop_band(const Band<T>& shared) {
  constexpr int kMet = (R - 1) * Step + 3;
  const Band<T> b = shared;  // in registers: vectors stored to y could alias it
  Vec<T> w[kTaps3x3];
  load_3x3(b.w, w);
  const Vec<T> bias = load(b.bias);
  // Three rows are addressed from one pointer and the stride; a pointer a row would not find room in
  // general registers.
  constexpr int kThirds = (kMet + 2) / 3;
  int64_t row = b.x_row, y_row = b.y_row;
  asm("" : "+r"(row), "+r"(y_row));
  const T* x = b.x - b.pad * b.x_pixel;  // tap 0
  T* y = b.y;
  for (int64_t o = 0; o < b.width; ++o, x += Step * b.x_pixel, y += b.y_pixel) {
    if (b.ahead) {
      LAMINA_UNROLL
      for (int i = 3 - Step; i < kMet; ++i)
        __builtin_prefetch(x + i * row + b.pad * b.x_pixel + b.ahead);
      LAMINA_UNROLL
      for (int r = 0; r < R; ++r) __builtin_prefetch(y + r * y_row + 8 * b.y_pixel, 1);
    }
    Vec<T> sum[R];
    LAMINA_UNROLL
    for (int r = 0; r < R; ++r) sum[r] = bias;
    LAMINA_UNROLL
    for (int t = 0; t < 3; ++t) {
      const int64_t column = o * Step + t - b.pad;
      if (static_cast<uint64_t>(column) >= static_cast<uint64_t>(b.columns)) continue;
      const T* third[kThirds];
      LAMINA_UNROLL
      for (int i = 0; i < kThirds; ++i) {
        third[i] = i == 0 ? x + t * b.x_pixel : third[i - 1] + 3 * row;
        asm("" : "+r"(third[i]));
      }
      LAMINA_UNROLL
      for (int i = 0; i < kMet; ++i) {
        if (Edge && (i < b.met_begin || i >= b.met_end)) continue;
        Vec<T> pixel = load(third[i / 3] + i % 3 * row);
        if (R > 1 && i >= Step && i < kMet - Step) pixel = in_register<T>(pixel);  // used again
        LAMINA_UNROLL
        for (int r = 0; r < R; ++r)
          if (i >= r * Step && i < r * Step + 3) sum[r] += pixel * w[(i - r * Step) * 3 + t];
      }
    }
    LAMINA_UNROLL
    for (int r = 0; r < R; ++r) {
      T* to = y + r * y_row;
      store(to, b.epilogue.apply(sum[r], to));
    }
  }
}

// dx from dy with stride 2: position u of dx, counted from the padding's first, meets dy at u / 2
// with tap 0 and at u / 2 - 1 with tap 2 where it is even, at (u - 1) / 2 with tap 1 where it is odd.
// Rows 0 to R of x are those of dy from the one before the band's first; rows 2 r and 2 r + 1 of y
// are made from rows r and r + 1.  `width` is dx's, `columns` dy's.
template <class T, int R, bool Edge>
__attribute__((noinline)) void dgrad_band(const Band<T>& shared) {
  const Band<T> b = shared;
  Vec<T> w[kTaps3x3];
  load_3x3(b.w, w);
  const Vec<T> bias = load(b.bias);
  const T* x[R + 1];
  LAMINA_UNROLL
  for (int i = 0; i <= R; ++i) x[i] = b.x + i * b.x_row;
  const auto column = [&](int64_t at, Vec<T>(&to)[R + 1]) __attribute__((always_inline)) {
    const bool inside = at >= 0 && at < b.columns;
    LAMINA_UNROLL
    for (int i = 0; i <= R; ++i)
      to[i] = inside && !(Edge && (i < b.met_begin || i >= b.met_end)) ? load(x[i] + at * b.x_pixel)
                                                                       : Vec<T>{};
  };
  const auto put = [&](int row, int64_t u, Vec<T> value) __attribute__((always_inline)) {
    const int64_t at = u - b.pad;
    if (at < 0 || at >= b.width || (Edge && (row < b.made_begin || row >= b.made_end))) return;
    store(b.y + row * b.y_row + at * b.y_pixel, value);
  };
  Vec<T> before[R + 1], here[R + 1];
  const int64_t first = b.pad / 2, last = (b.width + b.pad + 1) / 2;
  column(first - 1, here);
  for (int64_t j = first; j < last; ++j) {
    LAMINA_UNROLL
    for (int i = 0; i <= R; ++i) before[i] = here[i];
    column(j, here);
    LAMINA_UNROLL
    for (int r = 0; r < R; ++r) {
      const Vec<T> even = bias + here[r + 1] * w[0] + here[r] * w[6];
      put(2 * r, 2 * j, even + before[r + 1] * w[2] + before[r] * w[8]);
      put(2 * r, 2 * j + 1, bias + here[r + 1] * w[1] + here[r] * w[7]);
      put(2 * r + 1, 2 * j, bias + here[r + 1] * w[3] + before[r + 1] * w[5]);
      put(2 * r + 1, 2 * j + 1, bias + here[r + 1] * w[4]);
    }
  }
}

// A pass: y from x, band by band, the vectors of a band one after the other.
template <class T>
struct BandPass {
  ChannelVectors<T> vectors;
  bool upsampling;  // the input gradient with stride 2
  int64_t step;     // in x from one row of y to the next
  Plane<T> x, y;
  int64_t pad_h = 0, pad_w = 0;
  const T *w = nullptr, *bias = nullptr;  // [vector][tap][lane], [vector][lane]
  Epilogue<T> epilogue = {};
  bool prefetching = false;

  // Rows of bands: those of y; upsampling makes two rows of y from one.
  LAMINA_INLINE int64_t first_row() const { return upsampling ? pad_h / 2 : 0; }
  LAMINA_INLINE int64_t last_row() const {
    return upsampling ? (y.height + pad_h + 1) / 2 : y.height;
  }
  LAMINA_INLINE int64_t image_bands() const {
    return ceil_div(last_row() - first_row(), kBandRows);
  }
  // Columns of y whose pixels share a few of L1's sets go through a block of rows that don't.
  LAMINA_INLINE bool staged() const {
    return y.pixel * static_cast<int64_t>(sizeof(T)) % kConflictBytes == 0;
  }
  LAMINA_INLINE int64_t staged_elements() const {  // of a vector
    return (upsampling ? 2 : 1) * kBandRows * y.width * kLanes<T>;
  }
  LAMINA_INLINE int64_t staged_vectors() const {
    const int64_t bytes = staged_elements() * static_cast<int64_t>(sizeof(T));
    return clamp(kStagedBytes / (bytes + 1), 1, vectors.count());
  }

  template <int R>
  LAMINA_INLINE void (*kernel(bool edge) const)(const Band<T>&) {
    if (upsampling) return edge ? &dgrad_band<T, R, true> : &dgrad_band<T, R, false>;
    if (step == 1) return edge ? &fprop_band<T, R, 1, true> : &fprop_band<T, R, 1, false>;
    return edge ? &fprop_band<T, R, 2, true> : &fprop_band<T, R, 2, false>;
  }

  // The rows of vectors [begin, end), made at `stage`, to y in the order in which it lies.
  void unstage(const Band<T>& band, const T* stage, int64_t begin, int64_t end, T* to) const {
    const Epilogue<T> after = epilogue;  // locals, as the stores could alias members
    const int64_t width = y.width, pixel = y.pixel, elements = staged_elements();
    const int64_t whole =
        (vectors.channels / kLanes<T> < end ? vectors.channels / kLanes<T> : end) - begin;
    const int64_t last = end - begin > whole ? vectors.first(end - 1) : -1;
    for (int64_t r = band.made_begin; r < band.made_end; ++r) {
      const T* from = stage + r * width * kLanes<T>;
      T* pixels = to + r * y.row;
      for (int64_t o = 0; o < width; ++o, from += kLanes<T>, pixels += pixel) {
        T* at = pixels + begin * kLanes<T>;
        const T* lanes = from;
        for (int64_t v = 0; v < whole; ++v, at += kLanes<T>, lanes += elements)
          store(at, after.apply(load(lanes), at));
        if (last >= 0) store(pixels + last, after.apply(load(lanes), pixels + last));
      }
    }
  }

  template <int R>
  void run_rows(int64_t n, int64_t row, T* stage) const {
    constexpr int64_t lanes = kLanes<T>;
    const int64_t met_row = upsampling ? row - 1 : row * step - pad_h;
    const int64_t met = upsampling ? R + 1 : (R - 1) * step + 3;
    const int64_t made_row = upsampling ? 2 * row - pad_h : row, made = upsampling ? 2 * R : R;
    Band<T> band{};
    band.x_row = x.row;
    band.x_pixel = x.pixel;
    band.columns = x.width;
    band.met_begin = clamp(-met_row, 0, met);
    band.met_end = clamp(x.height - met_row, 0, met);
    band.made_begin = clamp(-made_row, 0, made);
    band.made_end = clamp(y.height - made_row, 0, made);
    band.pad = pad_w;
    band.width = y.width;
    band.ahead = prefetching ? R * step * x.row : 0;
    const bool edge = band.met_end - band.met_begin < met || band.made_end - band.made_begin < made;
    const auto run = kernel<R>(edge);
    const T* from = x.data + n * x.image + met_row * x.row;
    T* to = y.data + n * y.image + made_row * y.row;

    const int64_t block = stage ? staged_vectors() : vectors.count();
    for (int64_t begin = 0; begin < vectors.count(); begin += block) {
      const int64_t end = clamp(begin + block, 0, vectors.count());
      for (int64_t v = begin; v < end; ++v) {
        band.x = from + vectors.first(v);
        band.w = w + v * kTaps3x3 * lanes;
        band.bias = bias + v * lanes;
        band.y = stage ? stage + (v - begin) * staged_elements() : to + vectors.first(v);
        band.y_row = stage ? y.width * lanes : y.row;
        band.y_pixel = stage ? lanes : y.pixel;
        if (!stage) band.epilogue = epilogue;
        run(band);
      }
      if (stage) unstage(band, stage, begin, end, to);
    }
  }

  // Band `index` of all images.
  void run(int64_t index, T* stage) const {
    const int64_t n = index / image_bands(),
                  first = first_row() + index % image_bands() * kBandRows;
    const int64_t end = clamp(first + kBandRows, 0, last_row());
    for_each_rows(first, end, [&]<int R>(int64_t row) __attribute__((always_inline)) {
      run_rows<R>(n, row, stage);
    });
  }
};

template <class T>
void run_bands(BandPass<T> pass, int64_t n, const T* w, bool reversed, const T* bias,
               Kept* kept = nullptr) {
  const int64_t vectors = pass.vectors.count(), elements = vectors * kLanes<T>;
  const KeptWeights<T> packed(kept, {{pass.vectors.channels, kTaps3x3}}, kTaps3x3 * elements,
                              [&](T* to) { pack_3x3(pass.vectors, w, reversed, to); });
  Scratch biases(elements * sizeof(T));
  for (int64_t v = 0; v < vectors; ++v)
    store(biases.as<T>() + v * kLanes<T>, bias ? load(bias + pass.vectors.first(v)) : Vec<T>{});
  pass.w = packed.data();
  pass.bias = biases.as<T>();
  pass.prefetching = streams(n, pass.x);
  const int64_t work = kBandRows * pass.x.width * kTaps3x3 * vectors;
  parallel_for(n * pass.image_bands(), clamp(kBandWork / (work + 1), 1, INT64_MAX),
               [&](int64_t begin, int64_t end) {
                 Scratch stage(pass.staged()
                                   ? pass.staged_vectors() * pass.staged_elements() * sizeof(T)
                                   : 0);
                 for (int64_t i = begin; i < end; ++i)
                   pass.run(i, pass.staged() ? stage.as<T>() : nullptr);
               });
}

template <class T>
void fprop_3x3(const ConvShape& s, const ConvTensor& x, const T* w, const T* bias,
               const Epilogue<T>& epilogue, const ConvTensor& y, Kept* kept) {
  const Source<T> from(x, s, s.in);
  BandPass<T> pass{{s.c}, false, s.stride[1], from.plane, {y, s.out}};
  pass.pad_h = s.pad[1];
  pass.pad_w = s.pad[2];
  pass.epilogue = epilogue;
  run_bands(pass, s.n, w, false, bias, kept);
}

// With stride 1 the forward pass of reversed weights.
template <class T>
void dgrad_3x3(const ConvShape& s, const ConvTensor& dy, const T* w, const T* bias,
               const ConvTensor& dx) {
  const Source<T> from(dy, s, s.out);
  const bool upsampling = s.stride[1] == 2;
  BandPass<T> pass{{s.c}, upsampling, 1, from.plane, {dx, s.in}};
  pass.pad_h = upsampling ? s.pad[1] : 2 - s.pad[1];
  pass.pad_w = upsampling ? s.pad[2] : 2 - s.pad[2];
  run_bands(pass, s.n, w, !upsampling, bias);
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

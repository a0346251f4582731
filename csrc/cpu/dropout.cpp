// Dropout: out[i] = x[i] * (word[i] < 2^32 (1 - p) ? 1 / (1 - p) : 0), word[i] the Philox word of
// logical index i.
//
// In row-major memory a block serves four neighbours.  In channels-last memory they lie in four
// pixels: with a multiple of four pixels, four rows are done at once; else each element takes one
// word of a block of its own.
//
// An activation before it is its own row function over as many elements as words are drawn at once,
// into a buffer that stays in L1: one pass over memory, and the bits of two.
#include "kernels/dropout.h"

#include "core/parallel.h"
#include "cpu/philox.h"
#include "cpu/rowops.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements a chunk
constexpr int kRun = 256;            // words drawn at once

struct Mask {
  PhiloxKey key;
  uint32_t last;  // words up to it keep their element
  double scale;   // 1 / (1 - p)
};

template <class T>
LAMINA_INLINE char* bytes(const T* x) {
  return reinterpret_cast<char*>(const_cast<T*>(x));
}

template <class T, class C>
LAMINA_INLINE void multiply(const Mask& mask, const uint32_t* words, const T* x, T* out,
                            int64_t n) {
  const C scale = static_cast<C>(mask.scale);
  for (int64_t i = 0; i < n; ++i) {
    const C m = words[i] <= mask.last ? scale : C(0);
    out[i] = static_cast<T>(static_cast<C>(x[i]) * m);
  }
}

// What is done to n <= kRun elements from `at` on in memory, whose words are given: dropout of
// elements of type T, computed in C;
template <class T, class C>
struct Plain {
  const T* x;
  T* out;

  LAMINA_INLINE void apply(const Mask& mask, const uint32_t* words, int64_t at, int64_t n) const {
    multiply<T, C>(mask, words, x + at, out + at, n);
  }
};

// dropout of f(x);
template <class T>
struct Activated {
  RowMap f;
  const double* parameters;
  const T* x;
  T* out;

  LAMINA_INLINE void apply(const Mask& mask, const uint32_t* words, int64_t at, int64_t n) const {
    alignas(kVectorBytes) T y[kRun];
    char* const rows[] = {reinterpret_cast<char*>(y), bytes(x + at)};
    f(rows, n, parameters);
    multiply<T, T>(mask, words, y, out + at, n);
  }
};

// and its gradient.
template <class T>
struct ActivatedBackward {
  RowMap slope;
  const double* parameters;
  const T *grad, *x;
  T* out;

  LAMINA_INLINE void apply(const Mask& mask, const uint32_t* words, int64_t at, int64_t n) const {
    alignas(kVectorBytes) T g[kRun];
    multiply<T, T>(mask, words, grad + at, g, n);
    char* const rows[] = {bytes(out + at), reinterpret_cast<char*>(g), bytes(x + at)};
    slope(rows, n, parameters);
  }
};

template <class Body>
struct Kernel {
  Mask mask;
  Body body;

  // Elements begin to end in memory, which are their logical indices; begin is a multiple of 4.
  LAMINA_INLINE void row_major(int64_t begin, int64_t end) const {
    alignas(kVectorBytes) uint32_t words[kRun];
    for (int64_t i = begin; i < end; i += kRun) {
      for (int j = 0; j < kRun; j += 4 * kBlocks)
        store_words(words + j, philox_lanes(mask.key, static_cast<uint64_t>((i + j) / 4)));
      body.apply(mask, words, i, end - i < kRun ? end - i : kRun);
    }
  }

  // Four pixels from s on, of one image: channel c of pixel s + k takes word k of block ((n C + c)
  // S + s) / 4.
  LAMINA_INLINE void four_pixels(int64_t n, int64_t s, int64_t channels, int64_t spatial) const {
    uint32_t words[4][kRun];
    for (int64_t c = 0; c < channels; c += kRun) {
      const int64_t count = channels - c < kRun ? channels - c : kRun;
      for (int64_t j = 0; j < count; j += kBlocks) {
        const V64 block = lane_numbers() * static_cast<uint64_t>(spatial / 4) +
                          static_cast<uint64_t>(((n * channels + c + j) * spatial + s) / 4);
        const PhiloxLanes lanes = philox_lanes(mask.key, block);
        for (int k = 0; k < 4; ++k)
          for (int lane = 0; lane < kBlocks; ++lane)
            words[k][j + lane] = static_cast<uint32_t>(lanes.c[k][lane]);
      }
      for (int k = 0; k < 4; ++k)
        body.apply(mask, words[k], (n * spatial + s + k) * channels + c, count);
    }
  }

  LAMINA_INLINE void one_pixel(int64_t n, int64_t s, int64_t channels, int64_t spatial) const {
    uint32_t words[kRun];
    for (int64_t c = 0; c < channels; c += kRun) {
      const int64_t count = channels - c < kRun ? channels - c : kRun;
      for (int64_t j = 0; j < count; j += kBlocks) {
        const V64 index = lane_numbers() * static_cast<uint64_t>(spatial) +
                          static_cast<uint64_t>((n * channels + c + j) * spatial + s);
        const PhiloxLanes lanes = philox_lanes(mask.key, index / 4);
        const V64 low = (index & 1) == 0 ? lanes.c[0] : lanes.c[1];
        const V64 high = (index & 1) == 0 ? lanes.c[2] : lanes.c[3];
        const V64 word = (index & 2) == 0 ? low : high;
        for (int lane = 0; lane < kBlocks; ++lane)
          words[j + lane] = static_cast<uint32_t>(word[lane]);
      }
      body.apply(mask, words, (n * spatial + s) * channels + c, count);
    }
  }
};

template <class Body>
void run(const kernels::DropoutParams& a, const Body& body) {
  const auto kept = static_cast<uint64_t>((1 - a.p) * 0x1p32);  // words below it keep their element
  // No word at all: then a scale of zero does it.
  const Mask mask{a.key, static_cast<uint32_t>(kept == 0 ? 0 : kept - 1),
                  kept == 0 ? 0 : 1 / (1 - a.p)};
  const Kernel<Body> kernel{mask, body};
  const int64_t channels = a.channels, spatial = a.spatial;
  if (!a.channels_last) {
    parallel_for(a.batch * channels * spatial, kGrain,
                 [&](int64_t begin, int64_t end) { kernel.row_major(begin, end); });
    return;
  }
  const bool fours = spatial % 4 == 0;
  const int64_t pixels = fours ? 4 : 1, grain = kGrain / (channels * pixels) + 1;
  parallel_for(a.batch * spatial / pixels, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i * pixels / spatial, s = i * pixels % spatial;
      if (fours) {
        kernel.four_pixels(n, s, channels, spatial);
      } else {
        kernel.one_pixel(n, s, channels, spatial);
      }
    }
  });
}

template <class T, class C>
void plain(const kernels::DropoutParams& a, const void* x, void* out) {
  run(a, Plain<T, C>{static_cast<const T*>(x), static_cast<T*>(out)});
}

void apply(const kernels::DropoutParams& a, const void* x, void* out) {
  switch (a.dtype) {
    case DType::float64:
      return plain<double, double>(a, x, out);
    case DType::bfloat16:
      return plain<bfloat16, float>(a, x, out);
    case DType::float16:
      return plain<float16, float>(a, x, out);
    default:
      return plain<float, float>(a, x, out);
  }
}

void activated(const kernels::DropoutParams& a, kernels::Unary f, const double* parameters,
               const void* x, void* out) {
  const RowMap row = unary_op(f, a.dtype).run;
  visit_real(a.dtype, [&](auto tag) {
    using T = decltype(tag);
    run(a, Activated<T>{row, parameters, static_cast<const T*>(x), static_cast<T*>(out)});
  });
}

void activated_backward(const kernels::DropoutParams& a, kernels::Binary slope,
                        const double* parameters, const void* grad, const void* x, void* out) {
  const RowMap row = binary_op(slope, a.dtype).run;
  visit_real(a.dtype, [&](auto tag) {
    using T = decltype(tag);
    run(a, ActivatedBackward<T>{row, parameters, static_cast<const T*>(grad),
                                static_cast<const T*>(x), static_cast<T*>(out)});
  });
}

}  // namespace

LAMINA_CPU_KERNELS(Dropout, dropout){&apply, &activated, &activated_backward};

}  // namespace lamina::cpu::LAMINA_ISA

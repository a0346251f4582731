// Dropout: out[i] = x[i] * (word[i] < 2^32 (1 - p) ? 1 / (1 - p) : 0), word[i] the Philox word of
// logical index i.
//
// In row-major memory a block serves four neighbours.  In channels-last memory they lie in four
// pixels: with a multiple of four pixels, four rows are done at once; else each element takes one
// word of a block of its own.
#include "kernels/dropout.h"

#include "core/parallel.h"
#include "cpu/philox.h"
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

// x and out of type T, computed in C.
template <class T, class C>
struct Kernel {
  Mask mask;
  const T* x;
  T* out;

  LAMINA_INLINE void apply(const uint32_t* words, int64_t at, int64_t n) const {
    const C scale = static_cast<C>(mask.scale);
    for (int64_t i = 0; i < n; ++i) {
      const C m = words[i] <= mask.last ? scale : C(0);
      out[at + i] = static_cast<T>(static_cast<C>(x[at + i]) * m);
    }
  }

  // Elements begin to end in memory, which are their logical indices; begin is a multiple of 4.
  LAMINA_INLINE void row_major(int64_t begin, int64_t end) const {
    alignas(kVectorBytes) uint32_t words[kRun];
    for (int64_t i = begin; i < end; i += kRun) {
      for (int j = 0; j < kRun; j += 4 * kBlocks)
        store_words(words + j, philox_lanes(mask.key, static_cast<uint64_t>((i + j) / 4)));
      apply(words, i, end - i < kRun ? end - i : kRun);
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
      for (int k = 0; k < 4; ++k) apply(words[k], (n * spatial + s + k) * channels + c, count);
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
      apply(words, (n * spatial + s) * channels + c, count);
    }
  }
};

template <class T, class C>
void run(const Kernel<T, C> kernel, int64_t batch, int64_t channels, int64_t spatial,
         bool channels_last) {
  if (!channels_last) {
    parallel_for(batch * channels * spatial, kGrain,
                 [&](int64_t begin, int64_t end) { kernel.row_major(begin, end); });
    return;
  }
  const bool fours = spatial % 4 == 0;
  const int64_t pixels = fours ? 4 : 1, grain = kGrain / (channels * pixels) + 1;
  parallel_for(batch * spatial / pixels, grain, [&](int64_t begin, int64_t end) {
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
void start(const Mask& mask, const void* x, void* out, int64_t batch, int64_t channels,
           int64_t spatial, bool channels_last) {
  const Kernel<T, C> kernel{mask, static_cast<const T*>(x), static_cast<T*>(out)};
  run(kernel, batch, channels, spatial, channels_last);
}

void apply(PhiloxKey key, double p, DType dtype, int64_t batch, int64_t channels, int64_t spatial,
           bool channels_last, const void* x, void* out) {
  const uint64_t kept =
      static_cast<uint64_t>((1 - p) * 0x1p32);  // words below it keep their element
  // No word at all: then a scale of zero does it.
  const Mask mask{key, static_cast<uint32_t>(kept == 0 ? 0 : kept - 1),
                  kept == 0 ? 0 : 1 / (1 - p)};
  switch (dtype) {
    case DType::float64:
      return start<double, double>(mask, x, out, batch, channels, spatial, channels_last);
    case DType::bfloat16:
      return start<bfloat16, float>(mask, x, out, batch, channels, spatial, channels_last);
    case DType::float16:
      return start<float16, float>(mask, x, out, batch, channels, spatial, channels_last);
    default:
      return start<float, float>(mask, x, out, batch, channels, spatial, channels_last);
  }
}

}  // namespace

LAMINA_CPU_KERNELS(Dropout, dropout){&apply};

}  // namespace lamina::cpu::LAMINA_ISA

// Dropout: out[i] = x[i] * (word[i] < 2^32 (1 - p) ? 1 / (1 - p) : 0), word[i] the Philox word of
// logical index i; the CPU's bits.
//
// A thread turns one Philox block into the masks of four logical neighbours: in row-major memory
// one access of up to 128 bits, in channels-last memory four pixels of a channel, whose neighbours
// are the next threads' channels.  Only where the pixels are no multiple of four a block serves one
// element.  Bound by bytes, close to arithmetic: 8 bytes an element of float32 and no mask, 1e8
// elements in 0.19 ms at the 4.3 TB/s that an H200 copies; ten rounds are some 80 instructions for
// four elements, 0.07 ms at 3e13 a second.  Compiled and emulated, not yet run on a device.
#include "cuda/columns.h"
#include "cuda/missing.h"
#include "kernels/dropout.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

constexpr int kThreads = 256, kWords = 4;

struct Mask {
  PhiloxKey key;
  uint32_t last;  // words up to it keep their element
  double scale;   // 1 / (1 - p)
};

// x and out of type T, computed in C.
template <class T, class C>
__device__ __forceinline__ T masked(const Mask& mask, uint32_t word, T x) {
  const C m = word <= mask.last ? static_cast<C>(mask.scale) : C(0);
  return convert<T>(convert<C>(x) * m);
}

template <class T, class C>
__global__ void __launch_bounds__(kThreads)
    row_major_kernel(const Mask mask, int64_t n, bool packs, const T* x, T* out) {
  const int64_t block = int64_t{blockIdx.x} * kThreads + threadIdx.x, first = block * kWords;
  if (first >= n) return;
  const PhiloxBlock words = philox(mask.key, static_cast<uint64_t>(block));
  if (packs && first + kWords <= n) {
    Some<T, kWords> v = load_some<kWords>(x + first);
    for (int k = 0; k < kWords; ++k) v.v[k] = masked<T, C>(mask, words.v[k], v.v[k]);
    store_some(out + first, v);
  } else {
    for (int k = 0; k < kWords && first + k < n; ++k)
      out[first + k] = masked<T, C>(mask, words.v[k], x[first + k]);
  }
}

// Pixels per thread: four, or one.
template <class T, class C, int pixels>
__global__ void __launch_bounds__(kThreads)
    channels_last_kernel(const Mask mask, int64_t threads, WideDivisor channels,
                         WideDivisor spatial, const T* x, T* out) {
  const int64_t thread = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (thread >= threads) return;
  const int64_t group = thread / channels, c = thread - group * channels.value;
  const int64_t pixel = group * pixels, n = pixel / spatial, s = pixel - n * spatial.value;
  const int64_t logical = (n * channels.value + c) * spatial.value + s;
  const PhiloxBlock words = philox(mask.key, static_cast<uint64_t>(logical) / kWords);
  for (int k = 0; k < pixels; ++k) {
    const int64_t at = (pixel + k) * channels.value + c;
    const uint32_t word = pixels == kWords ? words.v[k] : words.v[logical % kWords];
    out[at] = masked<T, C>(mask, word, x[at]);
  }
}

template <class T, class C>
void run(const kernels::DropoutParams& a, const void* from, void* to) {
  const auto kept = static_cast<uint64_t>((1 - a.p) * 0x1p32);  // words below it keep their element
  // No word at all: then a scale of zero does it.
  const Mask mask{a.key, static_cast<uint32_t>(kept == 0 ? 0 : kept - 1),
                  kept == 0 ? 0 : 1 / (1 - a.p)};
  const auto* x = static_cast<const T*>(from);
  auto* out = static_cast<T*>(to);
  const int64_t n = a.batch * a.channels * a.spatial;
  if (!a.channels_last) {
    const bool packs = aligned_for_packs(x, dtype_of<T>) && aligned_for_packs(out, dtype_of<T>);
    return launch(&row_major_kernel<T, C>, blocks_for(n, kThreads * kWords), kThreads, 0, stream(),
                  mask, n, packs, x, out);
  }
  const bool fours = a.spatial % kWords == 0;
  const int64_t threads = fours ? n / kWords : n;
  launch(fours ? &channels_last_kernel<T, C, kWords> : &channels_last_kernel<T, C, 1>,
         blocks_for(threads, kThreads), kThreads, 0, stream(), mask, threads,
         WideDivisor(a.channels), WideDivisor(a.spatial), x, out);
}

void apply(const kernels::DropoutParams& a, const void* x, void* out) {
  switch (a.dtype) {
    case DType::float64:
      return run<double, double>(a, x, out);
    case DType::bfloat16:
      return run<bfloat16, float>(a, x, out);
    case DType::float16:
      return run<float16, float>(a, x, out);
    default:
      return run<float, float>(a, x, out);
  }
}

}  // namespace

LAMINA_CUDA_KERNELS(Dropout, dropout){&apply, missing<"activated_dropout">,
                                      missing<"activated_dropout_backward">};

}  // namespace lamina::cuda

// Random fills: Philox 4x32-10, Box-Muller for normal draws, the inverse of the distribution function
// for exponential ones; the CPU's bits.
//
// A thread turns one Philox block into its two or four draws and stores them together.  Bound by
// bytes where uniform draws are float32, 4 each, 1e8 in 93 us at the 4.3 TB/s that an H200 copies;
// ten rounds are some 80 instructions for four draws, 67 us at 3e13 a second, and normal and
// exponential draws add a logarithm each, so that arithmetic and bytes lie close together.
// Compiled and emulated, not yet run on a device.
#include "cuda/convert.h"
#include "cuda/random_math.h"
#include "kernels/random.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using draws::CosSin;
using kernels::Fill;

constexpr int kThreads = 256;

struct Words {
  uint32_t w[4];

  __device__ uint64_t wide(int i) const { return uint64_t{w[2 * i + 1]} << 32 | w[2 * i]; }
};

// Draws of 32 bits: four a block; of 64 bits: two.  draw(words, out) makes C's for one block.
template <class T, class C, class Draw>
__global__ void __launch_bounds__(kThreads)
    fill_kernel(PhiloxKey key, int64_t n, T* out, const Draw draw) {
  constexpr int kDraws = sizeof(C) == 4 ? 4 : 2;
  const int64_t block = int64_t{blockIdx.x} * kThreads + threadIdx.x, first = block * kDraws;
  if (first >= n) return;
  const PhiloxBlock bits = philox(key, static_cast<uint64_t>(block));
  C drawn[kDraws];
  draw(Words{{bits.v[0], bits.v[1], bits.v[2], bits.v[3]}}, drawn);
  for (int j = 0; j < kDraws; ++j)
    if (first + j < n) out[first + j] = convert<T>(drawn[j]);
}

template <class T, class C, class Draw>
void fill(const Fill& f, const Draw& draw) {
  constexpr int kDraws = sizeof(C) == 4 ? 4 : 2;
  launch(&fill_kernel<T, C, Draw>, blocks_for(f.n, int64_t{kThreads} * kDraws), kThreads, 0,
         stream(), f.key, f.n, static_cast<T*>(f.out), draw);
}

// Each draw from its own word.
template <class C, class F>
__device__ __forceinline__ void each(const Words& words, C (&out)[sizeof(C) == 4 ? 4 : 2], F f) {
  if constexpr (sizeof(C) == 4)
    for (int i = 0; i < 4; ++i) out[i] = f(words.w[i]);
  else
    for (int i = 0; i < 2; ++i) out[i] = f(words.wide(i));
}

// f(T{}, C{}) for a floating dtype T and the type C that its draws are computed in.
template <class F>
void visit_floating(DType dtype, F f) {
  switch (dtype) {
    case DType::float64:
      return f(double{}, double{});
    case DType::float16:
      return f(float16{}, float{});
    case DType::bfloat16:
      return f(bfloat16{}, float{});
    default:
      return f(float{}, float{});
  }
}

template <class T>
__device__ __forceinline__ auto unit_of(uint32_t word) {
  return draws::unit<__is_same(T, float16) ? 11 : __is_same(T, bfloat16) ? 8 : 24>(word);
}
template <class T>
__device__ __forceinline__ auto unit_of(uint64_t words) {
  return draws::unit(words);
}

template <class T, class C>
struct Uniform {
  C start, span, most;

  __device__ void operator()(const Words& words, C (&out)[sizeof(C) == 4 ? 4 : 2]) const {
    each(words, out, [&](auto word) {
      const C x = unit_of<T>(word) * span + start;
      return x < most ? x : most;
    });
  }
};

// Box-Muller: (r cos t, r sin t) are two independent normal draws if r^2 / 2 is exponential and t
// uniform on the circle.
template <class C>
struct Normal {
  C mean, std;

  template <class W>
  __device__ void pair(W first, W second, C* out) const {
    const C r = draws::square_root(draws::log(draws::unit_open(first)) * C(-2)) * std;
    const CosSin<C> t = draws::cos_sin_turn(second);
    out[0] = r * t.cos + mean;
    out[1] = r * t.sin + mean;
  }
  __device__ void operator()(const Words& words, C (&out)[sizeof(C) == 4 ? 4 : 2]) const {
    if constexpr (sizeof(C) == 4) {
      pair(words.w[0], words.w[1], out);
      pair(words.w[2], words.w[3], out + 2);
    } else {
      pair(words.wide(0), words.wide(1), out);
    }
  }
};

template <class C>
struct Exponential {
  C scale, below_one;

  __device__ void operator()(const Words& words, C (&out)[sizeof(C) == 4 ? 4 : 2]) const {
    each(words, out, [&](auto word) {
      const C u = draws::unit_open(word);
      return draws::log(u < below_one ? u : below_one) * scale;  // never zero
    });
  }
};

// floor(x * range / 2^64): biased by at most range / 2^64, and one draw an element whatever the
// range.
struct Integers {
  int64_t low;
  uint64_t range;

  __device__ void operator()(const Words& words, int64_t (&out)[2]) const {
    each(words, out, [&](uint64_t x) {
      const uint64_t scaled = range == 0 ? x : __umul64hi(x, range);
      return static_cast<int64_t>(scaled + static_cast<uint64_t>(low));
    });
  }
};

struct Bernoulli {
  uint64_t limit;  // words below it are ones

  __device__ void operator()(const Words& words, int32_t (&out)[4]) const {
    each(words, out, [&](uint32_t word) { return static_cast<int32_t>(word < limit); });
  }
};

void uniform(const Fill& f, double low, double high, double last) {
  visit_floating(f.dtype, [&](auto t, auto c) {
    using C = decltype(c);
    fill<decltype(t), C>(f, Uniform<decltype(t), C>{static_cast<C>(low), static_cast<C>(high - low),
                                                    static_cast<C>(last)});
  });
}

void normal(const Fill& f, double mean, double std) {
  visit_floating(f.dtype, [&](auto t, auto c) {
    using C = decltype(c);
    fill<decltype(t), C>(f, Normal<C>{static_cast<C>(mean), static_cast<C>(std)});
  });
}

void exponential(const Fill& f, double rate) {
  visit_floating(f.dtype, [&](auto t, auto c) {
    using C = decltype(c);
    const C below_one = sizeof(C) == 4 ? C(0x1.fffffep-1) : C(0x1.fffffffffffffp-1);
    fill<decltype(t), C>(f, Exponential<C>{static_cast<C>(-1 / rate), below_one});
  });
}

void integers(const Fill& f, int64_t low, uint64_t range) {
  visit(f.dtype, [&](auto t) { fill<decltype(t), int64_t>(f, Integers{low, range}); });
}

void bernoulli(const Fill& f, double p) {
  const auto limit = static_cast<uint64_t>(p * 0x1p32);
  visit(f.dtype, [&](auto t) { fill<decltype(t), int32_t>(f, Bernoulli{limit}); });
}

}  // namespace

LAMINA_CUDA_KERNELS(Random, random){&uniform, &normal, &exponential, &integers, &bernoulli};

}  // namespace lamina::cuda

// Random fills: Philox 4x32-10, Box-Muller for normal draws, the inverse of the distribution
// function for exponential ones.
//
// One step computes as many Philox blocks as a register has 64-bit lanes and turns them into two
// registers of draws, in order.  Bound by arithmetic: ten rounds are some 80 instructions a step.
#include "kernels/random.h"

#include "core/parallel.h"
#include "cpu/philox.h"
#include "cpu/random_math.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::Fill;

constexpr int64_t kGrain = 1 << 14;  // draws a chunk, a multiple of every step

template <class T, class C>
LAMINA_INLINE T convert(C x) {
  if constexpr (__is_same(T, float16) || __is_same(T, bfloat16)) {
    return T(static_cast<float>(x));
  } else {
    return static_cast<T>(x);
  }
}

// out[i] = the draws of type C that draw(blocks, buffer) makes of kBlocks blocks, two registers of
// them.
template <class T, class C, class Draw>
LAMINA_INLINE void fill(const Fill& f, Draw draw) {
  constexpr int kStep = 2 * kLanes<C>, kPerBlock = kStep / kBlocks;
  T* const out = static_cast<T*>(f.out);
  parallel_for(f.n, kGrain, [&](int64_t begin, int64_t end) {
    alignas(kVectorBytes) C buffer[kStep];
    for (int64_t i = begin; i < end; i += kStep) {
      const PhiloxLanes blocks = philox_lanes(f.key, static_cast<uint64_t>(i / kPerBlock));
      const bool whole = end - i >= kStep;
      if constexpr (__is_same(T, C)) {
        if (whole) {
          draw(blocks, out + i);
          continue;
        }
      }
      draw(blocks, buffer);
      const int count = whole ? kStep : static_cast<int>(end - i);
      for (int j = 0; j < count; ++j) out[i + j] = convert<T>(buffer[j]);
    }
  });
}

// The 32-bit or 64-bit words of a step, in the order of the draws.
template <class C, class F>
LAMINA_INLINE void each(const PhiloxLanes& blocks, C* out, F f) {
  if constexpr (sizeof(C) == 4) {
    uint32_t words[4 * kBlocks];
    store_words(words, blocks);
    store(out, f(load(words)));
    store(out + kLanes<C>, f(load(words + kLanes<C>)));
  } else {
    store_interleaved(out, f(blocks.words01()), f(blocks.words23()));
  }
}

// Calls body(T{}, C{}) for a floating dtype T and the type C that its draws are computed in.
template <class Body>
LAMINA_INLINE void visit_floating(DType dtype, Body body) {
  switch (dtype) {
    case DType::float64:
      return body(double{}, double{});
    case DType::float16:
      return body(float16{}, float{});
    case DType::bfloat16:
      return body(bfloat16{}, float{});
    default:
      return body(float{}, float{});
  }
}

void uniform(const Fill& f, double low, double high, double last) {
  visit_floating(f.dtype, [&](auto t, auto c) {
    using T = decltype(t);
    using C = decltype(c);
    const C span = static_cast<C>(high - low), start = static_cast<C>(low),
            most = static_cast<C>(last);
    fill<T, C>(f, [=](const PhiloxLanes& blocks, C* out) {
      each(blocks, out, [=](auto words) {
        Vec<C> u;
        if constexpr (__is_same(T, float16)) {
          u = unit<11>(words);
        } else if constexpr (__is_same(T, bfloat16)) {
          u = unit<8>(words);
        } else if constexpr (__is_same(T, float)) {
          u = unit<24>(words);
        } else {
          u = unit(words);
        }
        const Vec<C> x = u * span + start;
        return select(x < most, x, broadcast(most));
      });
    });
  });
}

// Box-Muller: (r cos t, r sin t) are two independent normal draws if r^2 / 2 is exponential and t
// uniform on the circle.
template <class C, class Words>
LAMINA_INLINE void normal_pair(Words first, Words second, C mean, C std, C* out) {
  const Vec<C> r = square_root(log(unit_open(first)) * C(-2)) * std;
  const auto t = cos_sin_turn(second);
  store_interleaved(out, Vec<C>(r * t.cos + mean), Vec<C>(r * t.sin + mean));
}

void normal(const Fill& f, double mean, double std) {
  visit_floating(f.dtype, [&](auto t, auto c) {
    using C = decltype(c);
    const C m = static_cast<C>(mean), s = static_cast<C>(std);
    fill<decltype(t), C>(f, [=](const PhiloxLanes& blocks, C* out) {
      if constexpr (__is_same(C, double)) {
        normal_pair(blocks.words01(), blocks.words23(), m, s, out);
      } else {
        normal_pair(blocks.firsts(), blocks.seconds(), m, s, out);
      }
    });
  });
}

void exponential(const Fill& f, double rate) {
  visit_floating(f.dtype, [&](auto t, auto c) {
    using C = decltype(c);
    const C scale = static_cast<C>(-1 / rate);
    const C below_one = sizeof(C) == 4 ? C(0x1.fffffep-1) : C(0x1.fffffffffffffp-1);
    fill<decltype(t), C>(f, [=](const PhiloxLanes& blocks, C* out) {
      each(blocks, out, [=](auto words) {
        const Vec<C> u = unit_open(words);
        return Vec<C>(log(select(u < below_one, u, broadcast(below_one))) * scale);  // never zero
      });
    });
  });
}

// floor(x * range / 2^64): biased by at most range / 2^64, and one draw an element whatever the
// range.
LAMINA_INLINE U64 scale_down(U64 x, uint64_t range) {
  if (range - 1 < 0xffffffffu) {
    const U64 r = broadcast(range);
    return (multiply_low_halves(x >> 32, r) + (multiply_low_halves(x, r) >> 32)) >> 32;
  }
  if (range == 0) return x;
  for (int i = 0; i < kBlocks; ++i)
    x[i] = static_cast<uint64_t>(static_cast<unsigned __int128>(x[i]) * range >> 64);
  return x;
}

void integers(const Fill& f, int64_t low, uint64_t range) {
  visit(f.dtype, [&](auto t) {
    fill<decltype(t), int64_t>(f, [=](const PhiloxLanes& blocks, int64_t* out) {
      each(blocks, out, [=](U64 words) {
        return reinterpret_cast<Vec<int64_t>>(scale_down(words, range) +
                                              static_cast<uint64_t>(low));
      });
    });
  });
}

void bernoulli(const Fill& f, double p) {
  const double scaled = p * 0x1p32;
  const uint64_t limit = static_cast<uint64_t>(scaled);  // words below it are ones
  const U32 last = broadcast(static_cast<uint32_t>(limit - 1));
  const bool never = limit == 0;
  visit(f.dtype, [&](auto t) {
    fill<decltype(t), int32_t>(f, [=](const PhiloxLanes& blocks, int32_t* out) {
      each(blocks, out, [=](U32 words) {
        const auto one = reinterpret_cast<I32>(words <= last) & 1;
        return never ? I32{} : one;
      });
    });
  });
}

}  // namespace

LAMINA_CPU_KERNELS(Random, random){&uniform, &normal, &exponential, &integers, &bernoulli};

}  // namespace lamina::cpu::LAMINA_ISA

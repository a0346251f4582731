// Narrow groups in vectors: every lane is one output channel, and whole groups lie side by side.
//
// With `in` inputs and `out` outputs a group, a vector of n lanes holds n / max(in, out) groups.
// The sum over a group's inputs runs in `in` steps: in step i a permutation brings input i of its
// own group to every lane.  Depthwise convolution is the case in == out == 1, without permutation.
#pragma once

#include "cpu/conv_taps.h"
#include "cpu/pool_lanes.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

template <class T>
using LaneIndex = TapVec<T>;

// v[index[l]] in lane l
template <class T>
LAMINA_INLINE Vec<T> permute(Vec<T> v, LaneIndex<T> index) {
#if defined(__clang__)
  Vec<T> out;
  for (int l = 0; l < kLanes<T>; ++l) out[l] = v[index[l]];
  return out;
#else
  return __builtin_shuffle(v, index);
#endif
}

template <class T>
struct GroupLanes {
  static constexpr int64_t n = kLanes<T>;
  int64_t groups, in, out;      // channels of a group
  int64_t per_vector, vectors;  // groups of a vector; vectors that hold all groups

  LAMINA_INLINE GroupLanes(int64_t groups_, int64_t in_, int64_t out_)
      : groups(groups_), in(in_), out(out_) {
    const int64_t most = n / (in > out ? in : out);
    per_vector = most < groups ? most : groups;
    vectors = (groups + per_vector - 1) / per_vector;
  }
  LAMINA_INLINE bool permuted() const { return in != 1 || out != 1; }
  LAMINA_INLINE int64_t lanes() const { return per_vector * out; }  // that hold outputs

  // The last vector is moved back to end with the last group; what it shares with the one before
  // comes out the same twice.
  LAMINA_INLINE int64_t first_group(int64_t v) const {
    const int64_t most = groups - per_vector;
    return v * per_vector < most ? v * per_vector : most;
  }
  LAMINA_INLINE int64_t first_out(int64_t v) const { return first_group(v) * out; }
  // n inputs from here on hold those of all groups of the vector; none lies beyond the last channel
  // where there are n channels.
  LAMINA_INLINE int64_t first_in(int64_t v) const {
    const int64_t first = first_group(v) * in, most = groups * in - n;
    return first < most || most < 0 ? first : most;
  }
  // Of lane l in step i, in the n inputs.
  LAMINA_INLINE int64_t source(int64_t v, int64_t i, int64_t l) const {
    return l < lanes() ? (first_group(v) + l / out) * in + i - first_in(v) : 0;
  }
};

// The taps of a sum along rows, in pixels.
struct LaneColumns {
  int64_t width;  // positions of a row
  int64_t step, offset, taps,
      tap_step;  // position o meets pixels o * step + offset + tap * tap_step
  int64_t in;    // pixels of an input row
};

LAMINA_INLINE LaneColumns lane_columns(const TapSum& s) {
  const AxisTaps& a = s.axis[2];
  return {s.grid[2], s.step[2], a.offset, a.count, a.offset_step, s.in[2]};
}

// Bit i where first + i * step lies in [0, in), for i < 64.
LAMINA_INLINE uint64_t inside_bits(int64_t first, int64_t step, int64_t in) {
  const auto below = [](int64_t bits) __attribute__((always_inline)) {
    return bits <= 0 ? 0 : bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  };
  if (step == 1) return below(in - first) & ~below(-first);
  return below((in - first + step - 1) / step) & ~below((-first + step - 1) / step);
}

// Keeps a loaded vector in one of 32 registers; the compiler would otherwise load it for each use.
template <class T>
LAMINA_INLINE Vec<T> in_register(Vec<T> v) {
#if defined(__AVX512F__)
  asm("" : "+v"(v));
#endif
  return v;
}

// f.operator()<N>(first) for taps in chunks of N: 4 and 3, at most one smaller.
template <class F>
LAMINA_INLINE void for_each_chunk(int64_t taps, const F& f) {
  for (int64_t tap = 0; tap < taps;) {
    const int64_t left = taps - tap;
    if (left == 4 || left == 7 || left == 8 || left > 9) {
      f.template operator()<4>(tap);
      tap += 4;
    } else if (left >= 3) {
      f.template operator()<3>(tap);
      tap += 3;
    } else if (left == 2) {
      f.template operator()<2>(tap);
      tap += 2;
    } else {
      f.template operator()<1>(tap);
      tap += 1;
    }
  }
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

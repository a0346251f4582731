// Local response normalisation (Krizhevsky, Sutskever & Hinton, NIPS 2012, section 3.3), over a window of channels:
//   y_c = x_c d_c^-beta,  d_c = k + alpha / size sum over j in window(c) of x_j^2,
//   dx_c = dy_c d_c^-beta - 2 alpha beta / size x_c sum over j whose window holds c of dy_j x_j d_j^(-beta - 1).
//
// A tile holds all channels of a vector of positions (planes) or of one position (rows, inner = 1) in scratch memory
// between zeros, so that a window is `size` loads: summed anew for each channel, because a running sum would cancel.
// One read of each input and one write; bound by the logarithm and the exponential in d^-beta.
#include "kernels/local_response_norm.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/lanes.h"
#include "cpu/vec_math.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::LocalResponseNormArgs;

constexpr int64_t kChunkElements = 2048;  // some 10 us

// Where a channel lies: in the arrays `step` apart, in a scratch line `unit` apart.  Planes work on one channel of a
// vector of positions at a time, rows on a vector of channels.
template <class T, bool kRows>
struct Tile {
  static constexpr int64_t kUnit = kRows ? 1 : kLanes<T>;   // elements of scratch a channel
  static constexpr int64_t kCount = kRows ? kLanes<T> : 1;  // channels at once
  int64_t channels, step, before, behind;                   // before, behind: of a window
  int lanes;                                                // positions (planes)

  LAMINA_INLINE int64_t line() const { return (before + channels + behind) * kUnit + kLanes<T>; }
  LAMINA_INLINE int valid(int64_t c) const {
    if (!kRows) return lanes;
    return static_cast<int>(channels - c < kLanes<T> ? channels - c : kLanes<T>);
  }
  LAMINA_INLINE Vec<T> read(const T* p, int64_t c) const {
    return load_lanes(p + c * step, valid(c));
  }
  LAMINA_INLINE void write(T* p, int64_t c, Vec<T> v) const {
    store_lanes(p + c * step, v, valid(c));
  }

  // A line holds `before` zeros, the channels, and zeros.
  LAMINA_INLINE void clear(T* line_, int64_t zeros) const {
    for (int64_t i = 0; i < zeros * kUnit; ++i) line_[i] = T(0);
    for (int64_t i = (zeros + channels) * kUnit; i < line(); ++i) line_[i] = T(0);
  }
  LAMINA_INLINE void put(T* line_, int64_t c, Vec<T> v) const {
    store_lanes(line_ + c * kUnit, v, kRows ? valid(c) : kLanes<T>);
  }
  LAMINA_INLINE Vec<T> window(const T* line_, int64_t c) const {
    Vec<T> sum{};
    for (int64_t j = 0; j <= before + behind; ++j) sum += load(line_ + (c + j) * kUnit);
    return sum;
  }
};

// d^-power; the logarithm of 0 is minus infinity, and 0^-power infinite.
template <class T>
LAMINA_INLINE Vec<T> power_of(Vec<T> d, T power) {
  if (power == T(0)) return broadcast(T(1));
  return math::exp(math::log(d) * -power);
}

// The squares of a tile, and d of channels c, ...
template <class T, bool kRows>
struct Squares {
  const Tile<T, kRows>& tile;
  T* line;
  T k, scale;

  LAMINA_INLINE Squares(const LocalResponseNormArgs& a, const Tile<T, kRows>& t, const T* x,
                        T* memory)
      : tile(t),
        line(memory),
        k(static_cast<T>(a.k)),
        scale(static_cast<T>(a.alpha / static_cast<double>(a.size))) {
    tile.clear(line, tile.before);
    for (int64_t c = 0; c < tile.channels; c += tile.kCount) {
      const Vec<T> v = tile.read(x, c);
      tile.put(line + tile.before * tile.kUnit, c, v * v);
    }
  }
  LAMINA_INLINE Vec<T> at(int64_t c) const { return tile.window(line, c) * scale + k; }
};

template <class T, bool kRows>
void forward_tile(const LocalResponseNormArgs& a, const Tile<T, kRows>& tile, int64_t at) {
  const T* x = static_cast<const T*>(a.x) + at;
  T* y = static_cast<T*>(a.out) + at;
  const Scratch memory(tile.line() * sizeof(T));
  const Squares<T, kRows> d(a, tile, x, memory.as<T>());
  for (int64_t c = 0; c < tile.channels; c += tile.kCount)
    tile.write(y, c, tile.read(x, c) * power_of(d.at(c), static_cast<T>(a.beta)));
}

template <class T, bool kRows>
void backward_tile(const LocalResponseNormArgs& a, const Tile<T, kRows>& tile, int64_t at) {
  const T *x = static_cast<const T*>(a.x) + at, *dy = static_cast<const T*>(a.dy) + at;
  T* dx = static_cast<T*>(a.out) + at;
  const Scratch memory(2 * tile.line() * sizeof(T));
  const Squares<T, kRows> d(a, tile, x, memory.as<T>());
  // Channel j is in the windows of j - behind to j + before.
  T* spread = memory.as<T>() + tile.line();
  tile.clear(spread, tile.behind);
  for (int64_t c = 0; c < tile.channels; c += tile.kCount) {
    const Vec<T> near = d.at(c), direct = tile.read(dy, c) * power_of(near, static_cast<T>(a.beta));
    tile.put(spread + tile.behind * tile.kUnit, c, direct * tile.read(x, c) / near);
    tile.write(dx, c, direct);
  }
  const T scale = static_cast<T>(-2 * a.alpha * a.beta / static_cast<double>(a.size));
  for (int64_t c = 0; c < tile.channels; c += tile.kCount)
    tile.write(dx, c, tile.read(dx, c) + tile.read(x, c) * tile.window(spread, c) * scale);
}

// body(tile, offset) over all of x.
template <class T, bool kRows, class Body>
LAMINA_INLINE void for_each_tile(const LocalResponseNormArgs& a, const Body& body) {
  constexpr int64_t kLane = kLanes<T>;
  const int64_t groups = kRows ? 1 : (a.inner + kLane - 1) / kLane, image = a.channels * a.inner;
  parallel_for(a.outer * groups, 1 + kChunkElements / (a.channels * (kRows ? 1 : kLane)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t unit = begin; unit < end; ++unit) {
                   const int64_t i = unit % groups * kLane, left = a.inner - i;
                   body(Tile<T, kRows>{a.channels, a.inner, a.size / 2, (a.size - 1) / 2,
                                       static_cast<int>(left < kLane ? left : kLane)},
                        unit / groups * image + i);
                 }
               });
}

template <bool kBackward>
void run(const LocalResponseNormArgs& a) {
  visit_real(a.dtype, [&](auto tag) {
    using T = decltype(tag);
    const auto tiles = [&]<bool kRows>() {
      for_each_tile<T, kRows>(a, [&](const Tile<T, kRows>& tile, int64_t at) {
        kBackward ? backward_tile(a, tile, at) : forward_tile(a, tile, at);
      });
    };
    a.inner == 1 ? tiles.template operator()<true>() : tiles.template operator()<false>();
  });
}

}  // namespace

LAMINA_CPU_KERNELS(LocalResponseNorm, local_response_norm){&run<false>, &run<true>};

}  // namespace lamina::cpu::LAMINA_ISA

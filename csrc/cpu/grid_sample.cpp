// Sampling at the places of a grid, a block of places at a time: their taps are computed once, then
// serve every channel.
//
// The gradient of the input is a scatter; each task owns some channels of an image, so that no two
// meet.  Bound by the scattered reads and writes; contiguous over channels where they come last.
#include "kernels/grid_sample.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/gather.h"
#include "cpu/grid_taps.h"
#include "cpu/lanes.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

constexpr int64_t kWork = 1 << 14;  // taps a chunk

int64_t plane_size(const GridShape& s) { return s.in[0] * s.in[1] * s.in[2]; }

// f(taps, image, first, n) for every block of places, in parallel.
template <class T, class F>
void for_blocks(const GridShape& s, const T* grid, bool slopes, const F& f) {
  const int64_t blocks = (s.places + kPlaces - 1) / kPlaces;
  const int64_t work = kPlaces * 4 * (s.channels + 8);
  parallel_for(s.batch * blocks, kWork / work + 1, [&](int64_t begin, int64_t end) {
    const Scratch held(sizeof(GridTaps<T>));
    GridTaps<T>& taps = *held.as<GridTaps<T>>();
    for (int64_t u = begin; u < end; ++u) {
      const int64_t image = u / blocks, first = u % blocks * kPlaces;
      const int n = static_cast<int>(s.places - first < kPlaces ? s.places - first : kPlaces);
      taps.fill(s, grid, image, first, n, slopes);
      f(taps, image, first, n);
    }
  });
}

template <int kTaps, class T>
LAMINA_INLINE void sample_plane(const GridTaps<T>& taps, const T* plane, int n, T* y) {
  constexpr int L = kLanes<T>;
  for (int i = 0; i < n; i += L) {
    Vec<T> sum{};
#pragma GCC unroll 16
    for (int k = 0; k < kTaps; ++k)
      sum += load(&taps.weight[k][i]) * gather(plane, &taps.offset[k][i]);
    store_lanes(y + i, sum, n - i < L ? n - i : L);
  }
}

template <class T>
LAMINA_INLINE void sample_plane(const GridTaps<T>& taps, const T* plane, int n, T* y) {
  if (taps.count == 1) return sample_plane<1>(taps, plane, n, y);
  if (taps.count == 4) return sample_plane<4>(taps, plane, n, y);
  if (taps.count == 8) return sample_plane<8>(taps, plane, n, y);
  sample_plane<16>(taps, plane, n, y);
}

// The taps of one place that lie inside, as pixels of C channels.
template <class T>
struct Pixels {
  int64_t offset[kGridTaps];
  int tap[kGridTaps];
  int count = 0;

  LAMINA_INLINE Pixels(const GridTaps<T>& taps, int place, int64_t channels) {
    for (int k = 0; k < taps.count; ++k) {
      if (taps.offset[k][place] < 0) continue;
      offset[count] = taps.offset[k][place] * channels;
      tap[count++] = k;
    }
  }
};

template <class T>
void forward(const GridShape& s, const T* x, const T* grid, T* y) {
  constexpr int64_t L = kLanes<T>;
  const int64_t C = s.channels, P = plane_size(s);
  for_blocks<T>(s, grid, false, [&](const GridTaps<T>& taps, int64_t image, int64_t first, int n) {
    if (!s.channels_last) {
      for (int64_t c = image * C; c < (image + 1) * C; ++c)
        sample_plane(taps, x + c * P, n, y + c * s.places + first);
      return;
    }
    for (int i = 0; i < n; ++i) {
      const Pixels<T> pixels(taps, i, C);
      T* to = y + (image * s.places + first + i) * C;
      for (int64_t c = 0; c < C; c += L) {
        const int lanes = static_cast<int>(C - c < L ? C - c : L);
        Vec<T> sum = {};
        for (int k = 0; k < pixels.count; ++k)
          sum += load_lanes(x + image * P * C + pixels.offset[k] + c, lanes) *
                 taps.weight[pixels.tap[k]][i];
        store_lanes(to + c, sum, lanes);
      }
    }
  });
}

// Planes [c0, c1) of an image.
template <class T>
void scatter_planes(const GridShape& s, const GridTaps<T>& taps, int64_t c0, int64_t c1,
                    int64_t first, int n, const T* dy, T* dx) {
  const int64_t P = plane_size(s), places = s.places, count = c1 - c0;
  const T* from = dy + c0 * places + first;
  for (int i = 0; i < n; ++i)
    for (int k = 0; k < taps.count; ++k) {
      if (taps.offset[k][i] < 0) continue;
      T* to = dx + c0 * P + taps.offset[k][i];
      const T weight = taps.weight[k][i];
      for (int64_t c = 0; c < count; ++c) to[c * P] += weight * from[c * places + i];
    }
}

// Channels [c0, c1) of an image whose channels come last.
template <class T>
void scatter_pixels(const GridShape& s, const GridTaps<T>& taps, int64_t image, int64_t c0,
                    int64_t c1, int64_t first, int n, const T* dy, T* dx) {
  constexpr int64_t L = kLanes<T>;
  const int64_t C = s.channels;
  for (int i = 0; i < n; ++i) {
    const Pixels<T> pixels(taps, i, C);
    const T* from = dy + (image * s.places + first + i) * C;
    for (int k = 0; k < pixels.count; ++k) {
      T* pixel = dx + image * plane_size(s) * C + pixels.offset[k];
      const T weight = taps.weight[pixels.tap[k]][i];
      for (int64_t c = c0; c < c1; c += L) {
        const int lanes = static_cast<int>(c1 - c < L ? c1 - c : L);
        store_lanes(pixel + c, load_lanes(pixel + c, lanes) + load_lanes(from + c, lanes) * weight,
                    lanes);
      }
    }
  }
}

template <class T>
void backward_input(const GridShape& s, const T* grid, const T* dy, T* dx) {
  const int64_t C = s.channels, P = plane_size(s);
  const int64_t share = s.channels_last ? 2 * kLanes<T> : 4;  // channels a task
  const int64_t shares = (C + share - 1) / share;
  parallel_for(s.batch * shares, 1, [&](int64_t begin, int64_t end) {
    const Scratch held(sizeof(GridTaps<T>));
    GridTaps<T>& taps = *held.as<GridTaps<T>>();
    for (int64_t u = begin; u < end; ++u) {
      const int64_t image = u / shares, c0 = u % shares * share;
      const int64_t c1 = c0 + share < C ? c0 + share : C;
      if (s.channels_last) {
        for (int64_t i = image * P; i < (image + 1) * P; ++i)
          for (int64_t c = c0; c < c1; ++c) dx[i * C + c] = 0;
      } else {
        for (int64_t i = (image * C + c0) * P; i < (image * C + c1) * P; ++i) dx[i] = 0;
      }
      for (int64_t first = 0; first < s.places; first += kPlaces) {
        const int n = static_cast<int>(s.places - first < kPlaces ? s.places - first : kPlaces);
        taps.fill(s, grid, image, first, n, false);
        if (s.channels_last)
          scatter_pixels(s, taps, image, c0, c1, first, n, dy, dx);
        else
          scatter_planes(s, taps, image * C + c0, image * C + c1, first, n, dy, dx);
      }
    }
  });
}

// dgrid[a] of a block = the sum over channels of dy times the slope of y by axis a.
template <class T>
void slopes_of_planes(const GridShape& s, const GridTaps<T>& taps, const T* x, const T* dy, int n,
                      T (&sums)[3][kPlaces]) {
  constexpr int L = kLanes<T>;
  const int64_t P = plane_size(s);
  for (int64_t c = 0; c < s.channels; ++c) {
    const T *plane = x + c * P, *from = dy + c * s.places;
    for (int k = 0; k < taps.count; ++k) {
      for (int i = 0; i < n; i += L) {
        const int lanes = n - i < L ? n - i : L;
        const Vec<T> value = gather(plane, &taps.offset[k][i]) * load_lanes(from + i, lanes);
        for (int a = 0; a < s.rank; ++a)
          store(&sums[a][i], load(&sums[a][i]) + load(&taps.slope[a][k][i]) * value);
      }
    }
  }
}

template <class T>
LAMINA_INLINE T dot(const T* a, const T* b, int64_t n) {
  constexpr int64_t L = kLanes<T>;
  Vec<T> sums = {};
  for (int64_t i = 0; i < n; i += L) {
    const int lanes = static_cast<int>(n - i < L ? n - i : L);
    sums += load_lanes(a + i, lanes) * load_lanes(b + i, lanes);
  }
  T total = 0;
  for (int k = 0; k < L; ++k) total += sums[k];
  return total;
}

template <class T>
void backward_grid(const GridShape& s, const T* x, const T* grid, const T* dy, T* dgrid) {
  const int64_t C = s.channels, P = plane_size(s);
  for_blocks<T>(s, grid, true, [&](const GridTaps<T>& taps, int64_t image, int64_t first, int n) {
    T sums[3][kPlaces] = {};
    if (!s.channels_last) {
      slopes_of_planes(s, taps, x + image * C * P, dy + image * C * s.places + first, n, sums);
    } else {
      for (int i = 0; i < n; ++i) {
        const Pixels<T> pixels(taps, i, C);
        for (int k = 0; k < pixels.count; ++k) {
          const T value =
              dot(x + image * P * C + pixels.offset[k], dy + (image * s.places + first + i) * C, C);
          for (int a = 0; a < s.rank; ++a) sums[a][i] += taps.slope[a][pixels.tap[k]][i] * value;
        }
      }
    }
    T* to = dgrid + (image * s.places + first) * s.rank;
    for (int i = 0; i < n; ++i)
      for (int a = 0; a < s.rank; ++a) to[i * s.rank + a] = sums[a][i];
  });
}

void start_forward(const GridShape& s, const void* x, const void* grid, void* y) {
  visit_real(s.dtype, [&](auto element) {
    using T = decltype(element);
    forward(s, static_cast<const T*>(x), static_cast<const T*>(grid), static_cast<T*>(y));
  });
}

void start_backward_input(const GridShape& s, const void* grid, const void* dy, void* dx) {
  visit_real(s.dtype, [&](auto element) {
    using T = decltype(element);
    backward_input(s, static_cast<const T*>(grid), static_cast<const T*>(dy), static_cast<T*>(dx));
  });
}

void start_backward_grid(const GridShape& s, const void* x, const void* grid, const void* dy,
                         void* dgrid) {
  visit_real(s.dtype, [&](auto element) {
    using T = decltype(element);
    backward_grid(s, static_cast<const T*>(x), static_cast<const T*>(grid),
                  static_cast<const T*>(dy), static_cast<T*>(dgrid));
  });
}

}  // namespace

LAMINA_CPU_KERNELS(GridSample, grid_sample){&start_forward, &start_backward_input,
                                            &start_backward_grid};

}  // namespace lamina::cpu::LAMINA_ISA

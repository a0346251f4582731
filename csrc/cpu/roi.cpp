// RoIAlign (He et al., arXiv:1703.06870) and RoIPool (Girshick, arXiv:1504.08083).
//
// Forward a task takes regions; backward, which scatters, a task owns some channels of an image and
// goes through its regions in order, so that sums have the same bits every time.  Vectors of
// channels where they come last.  Bound by the bytes of the pixels under the bins.
#include "kernels/roi.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/lanes.h"
#include "cpu/roi_bins.h"
#include "cpu/roi_nms.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// Both axes' bins of one region, in memory of the task's own.
template <class T>
struct Bins {
  const Scratch held;
  AlignedBins<T> rows, columns;

  LAMINA_INLINE explicit Bins(const RoiShape& s)
      : held(static_cast<size_t>(s.out_height + s.out_width) * sizeof(Span) +
             static_cast<size_t>(s.out_height * s.height + s.out_width * s.width) * sizeof(T)) {
    rows = {held.as<Span>(), reinterpret_cast<T*>(held.as<Span>() + s.out_height + s.out_width),
            s.height};
    columns = {rows.spans + s.out_height, rows.weights + s.out_height * s.height, s.width};
  }

  LAMINA_INLINE void align(const RoiShape& s, const T* roi) {
    columns.fill(s, roi[1], roi[3], s.out_width);
    rows.fill(s, roi[2], roi[4], s.out_height);
  }
  LAMINA_INLINE void pool(const RoiShape& s, const T* roi) {
    pooled_bins(s, roi[1], roi[3], s.width, s.out_width, columns.spans);
    pooled_bins(s, roi[2], roi[4], s.height, s.out_height, rows.spans);
  }

  // f(bin, h, w, weight) for the pixels under every bin.
  template <class F>
  LAMINA_INLINE void for_pixels(int64_t ph, int64_t pw, const F& f) const {
    const Span r = rows.spans[ph], c = columns.spans[pw];
    for (int64_t h = r.first; h < r.first + r.count; ++h)
      for (int64_t w = c.first; w < c.first + c.count; ++w) f(h, w);
  }
};

template <class T>
LAMINA_INLINE void add_scaled(T* to, const T* from, T weight, int64_t n) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t i = 0; i < n; i += L) {
    const int lanes = static_cast<int>(n - i < L ? n - i : L);
    store_lanes(to + i, load_lanes(to + i, lanes) + load_lanes(from + i, lanes) * weight, lanes);
  }
}

// f(bins, region) in parallel.
template <class T, class F>
void for_regions(const RoiShape& s, const F& f) {
  parallel_for(s.rois, 1, [&](int64_t begin, int64_t end) {
    Bins<T> bins(s);
    for (int64_t k = begin; k < end; ++k) f(bins, k);
  });
}

// f(bins, region, image, first channel, channels) for the regions of an image, one after the other;
// images and shares of their channels in parallel.
template <class T, class F>
void for_owners(const RoiShape& s, const T* rois, T* dx, const F& f) {
  const int64_t C = s.channels, P = s.height * s.width;
  const int64_t share = s.channels_last ? 2 * kLanes<T> : 4, shares = (C + share - 1) / share;
  parallel_for(s.batch * shares, 1, [&](int64_t begin, int64_t end) {
    Bins<T> bins(s);
    for (int64_t u = begin; u < end; ++u) {
      const int64_t image = u / shares, c0 = u % shares * share;
      const int64_t n = c0 + share < C ? share : C - c0;
      if (s.channels_last) {
        for (int64_t i = image * P; i < (image + 1) * P; ++i)
          for (int64_t c = c0; c < c0 + n; ++c) dx[i * C + c] = 0;
      } else {
        for (int64_t i = (image * C + c0) * P; i < (image * C + c0 + n) * P; ++i) dx[i] = 0;
      }
      for (int64_t k = 0; k < s.rois; ++k)
        if (static_cast<int64_t>(rois[5 * k]) == image) f(bins, k, image, c0, n);
    }
  });
}

template <class T>
void align_forward(const RoiShape& s, const T* x, const T* rois, T* y) {
  const int64_t C = s.channels, P = s.height * s.width, O = s.out_height * s.out_width;
  for_regions<T>(s, [&](Bins<T>& bins, int64_t k) {
    bins.align(s, rois + 5 * k);
    const T* image = x + static_cast<int64_t>(rois[5 * k]) * C * P;
    for (int64_t o = 0; o < O; ++o) {
      const int64_t ph = o / s.out_width, pw = o % s.out_width;
      const T *down = bins.rows.of(ph), *across = bins.columns.of(pw);
      if (s.channels_last) {
        T* to = y + (k * O + o) * C;
        for (int64_t c = 0; c < C; ++c) to[c] = 0;
        bins.for_pixels(ph, pw, [&](int64_t h, int64_t w) {
          add_scaled(to, image + (h * s.width + w) * C, down[h] * across[w], C);
        });
      } else {
        for (int64_t c = 0; c < C; ++c) {
          T sum = 0;
          bins.for_pixels(ph, pw, [&](int64_t h, int64_t w) {
            sum += down[h] * across[w] * image[c * P + h * s.width + w];
          });
          y[(k * C + c) * O + o] = sum;
        }
      }
    }
  });
}

template <class T>
void align_backward(const RoiShape& s, const T* dy, const T* rois, T* dx) {
  const int64_t C = s.channels, P = s.height * s.width, O = s.out_height * s.out_width;
  for_owners(s, rois, dx, [&](Bins<T>& bins, int64_t k, int64_t image, int64_t c0, int64_t n) {
    bins.align(s, rois + 5 * k);
    for (int64_t o = 0; o < O; ++o) {
      const int64_t ph = o / s.out_width, pw = o % s.out_width;
      const T *down = bins.rows.of(ph), *across = bins.columns.of(pw);
      bins.for_pixels(ph, pw, [&](int64_t h, int64_t w) {
        const T weight = down[h] * across[w];
        const int64_t pixel = h * s.width + w;
        if (s.channels_last) {
          add_scaled(dx + (image * P + pixel) * C + c0, dy + (k * O + o) * C + c0, weight, n);
        } else {
          for (int64_t c = c0; c < c0 + n; ++c)
            dx[(image * C + c) * P + pixel] += weight * dy[(k * C + c) * O + o];
        }
      });
    }
  });
}

template <class T>
void pool_forward(const RoiShape& s, const T* x, const T* rois, T* y, int32_t* winner) {
  const int64_t C = s.channels, P = s.height * s.width, O = s.out_height * s.out_width;
  for_regions<T>(s, [&](Bins<T>& bins, int64_t k) {
    bins.pool(s, rois + 5 * k);
    const T* image = x + static_cast<int64_t>(rois[5 * k]) * C * P;
    const int64_t pixel_step = s.channels_last ? C : 1, channel_step = s.channels_last ? 1 : P;
    for (int64_t o = 0; o < O; ++o) {
      for (int64_t c = 0; c < C; ++c) {
        T most = 0;
        int32_t at = -1;
        bins.for_pixels(o / s.out_width, o % s.out_width, [&](int64_t h, int64_t w) {
          const int64_t pixel = h * s.width + w;
          const T value = image[c * channel_step + pixel * pixel_step];
          if (at >= 0 && !(value > most)) return;
          most = value;
          at = static_cast<int32_t>(pixel);
        });
        const int64_t to = s.channels_last ? (k * O + o) * C + c : (k * C + c) * O + o;
        y[to] = most;
        winner[to] = at;
      }
    }
  });
}

template <class T>
void pool_backward(const RoiShape& s, const T* dy, const T* rois, const int32_t* winner, T* dx) {
  const int64_t C = s.channels, P = s.height * s.width, O = s.out_height * s.out_width;
  for_owners(s, rois, dx, [&](Bins<T>&, int64_t k, int64_t image, int64_t c0, int64_t n) {
    for (int64_t o = 0; o < O; ++o) {
      for (int64_t c = c0; c < c0 + n; ++c) {
        const int64_t from = s.channels_last ? (k * O + o) * C + c : (k * C + c) * O + o;
        if (winner[from] < 0) continue;
        dx[s.channels_last ? (image * P + winner[from]) * C + c
                           : (image * C + c) * P + winner[from]] += dy[from];
      }
    }
  });
}

void start_align_forward(const RoiShape& s, const void* x, const void* rois, void* y) {
  visit_real(s.dtype, [&](auto element) {
    using T = decltype(element);
    align_forward(s, static_cast<const T*>(x), static_cast<const T*>(rois), static_cast<T*>(y));
  });
}

void start_align_backward(const RoiShape& s, const void* dy, const void* rois, void* dx) {
  visit_real(s.dtype, [&](auto element) {
    using T = decltype(element);
    align_backward(s, static_cast<const T*>(dy), static_cast<const T*>(rois), static_cast<T*>(dx));
  });
}

void start_pool_forward(const RoiShape& s, const void* x, const void* rois, void* y,
                        int32_t* winner) {
  visit_real(s.dtype, [&](auto element) {
    using T = decltype(element);
    pool_forward(s, static_cast<const T*>(x), static_cast<const T*>(rois), static_cast<T*>(y),
                 winner);
  });
}

void start_pool_backward(const RoiShape& s, const void* dy, const void* rois, const int32_t* winner,
                         void* dx) {
  visit_real(s.dtype, [&](auto element) {
    using T = decltype(element);
    pool_backward(s, static_cast<const T*>(dy), static_cast<const T*>(rois), winner,
                  static_cast<T*>(dx));
  });
}

}  // namespace

LAMINA_CPU_KERNELS(Roi, roi){&start_align_forward, &start_align_backward, &start_pool_forward,
                             &start_pool_backward, &suppress};

}  // namespace lamina::cpu::LAMINA_ISA

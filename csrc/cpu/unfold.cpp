// im2col and col2im of row-major planes.
//
// Both go row by row: a row of one tap's columns is a strided piece of a row of x, with zeros where
// it leaves the plane.  unfold writes each (plane, tap) once; fold gathers, for each row of x, from
// the taps that meet it, so that no two threads add to one place.  Bound by the columns' bytes.
#include "kernels/unfold.h"

#include "core/parallel.h"
#include "cpu/vec.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::UnfoldShape;

constexpr int64_t kGrain = 1 << 14;  // elements a chunk: some 5 us

// The positions [begin, end) of a row whose tap at `shift` (from the position's first) lies in the
// plane; `first` is where the tap of position 0 lies.
struct Inside {
  int64_t begin, end, first;
};

LAMINA_INLINE Inside inside(const UnfoldShape& s, int64_t tap) {
  const int64_t first = tap * s.dilation[1] - s.padding[1], stride = s.stride[1];
  const int64_t begin = first < 0 ? (stride - 1 - first) / stride : 0;
  const int64_t end = s.in[1] > first ? (s.in[1] - first + stride - 1) / stride : 0;
  const int64_t last = end < s.out[1] ? end : s.out[1];
  return {begin < last ? begin : last, last, first};
}

template <class T>
void unfold_row(const UnfoldShape& s, const Inside& at, const T* x, T* columns) {
  for (int64_t o = 0; o < at.begin; ++o) columns[o] = T(0);
  if (s.stride[1] == 1)
    __builtin_memcpy(columns + at.begin, x + at.first + at.begin, (at.end - at.begin) * sizeof(T));
  else
    for (int64_t o = at.begin; o < at.end; ++o) columns[o] = x[at.first + o * s.stride[1]];
  for (int64_t o = at.end; o < s.out[1]; ++o) columns[o] = T(0);
}

template <class T>
void unfold(const UnfoldShape& s, const T* x, T* columns) {
  const int64_t taps = s.kernel[0] * s.kernel[1], positions = s.out[0] * s.out[1];
  parallel_for(s.planes * taps, 1 + kGrain / positions, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t tap = i % taps, down = tap / s.kernel[1] * s.dilation[0] - s.padding[0];
      const T* plane = x + i / taps * s.in[0] * s.in[1];
      const Inside at = inside(s, tap % s.kernel[1]);
      for (int64_t oh = 0; oh < s.out[0]; ++oh) {
        const int64_t ih = oh * s.stride[0] + down;
        T* row = columns + i * positions + oh * s.out[1];
        if (ih >= 0 && ih < s.in[0])
          unfold_row(s, at, plane + ih * s.in[1], row);
        else
          for (int64_t ow = 0; ow < s.out[1]; ++ow) row[ow] = T(0);
      }
    }
  });
}

template <class T>
void fold_row(const UnfoldShape& s, const Inside& at, const T* columns, T* x) {
  int64_t o = at.begin;
  if (s.stride[1] == 1)
    for (T* to = x + at.first; o + kLanes<T> <= at.end; o += kLanes<T>)
      store(to + o, load(to + o) + load(columns + o));
  for (; o < at.end; ++o) x[at.first + o * s.stride[1]] += columns[o];
}

template <class T>
void fold(const UnfoldShape& s, const T* columns, T* x) {
  const int64_t taps = s.kernel[0] * s.kernel[1], positions = s.out[0] * s.out[1];
  const int64_t work = s.in[1] + taps * s.out[1] / s.stride[0];
  parallel_for(s.planes * s.in[0], 1 + kGrain / work, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t plane = i / s.in[0], ih = i % s.in[0];
      T* row = x + i * s.in[1];
      for (int64_t iw = 0; iw < s.in[1]; ++iw) row[iw] = T(0);
      for (int64_t kh = 0; kh < s.kernel[0]; ++kh) {
        const int64_t down = ih + s.padding[0] - kh * s.dilation[0], oh = down / s.stride[0];
        if (down < 0 || down % s.stride[0] != 0 || oh >= s.out[0]) continue;
        for (int64_t kw = 0; kw < s.kernel[1]; ++kw)
          fold_row(s, inside(s, kw),
                   columns + (plane * taps + kh * s.kernel[1] + kw) * positions + oh * s.out[1],
                   row);
      }
    }
  });
}

void unfold_columns(const UnfoldShape& s, const void* x, void* columns) {
  visit_real(s.dtype, [&](auto of) {
    using T = decltype(of);
    unfold(s, static_cast<const T*>(x), static_cast<T*>(columns));
  });
}

void fold_columns(const UnfoldShape& s, const void* columns, void* x) {
  visit_real(s.dtype, [&](auto of) {
    using T = decltype(of);
    fold(s, static_cast<const T*>(columns), static_cast<T*>(x));
  });
}

}  // namespace

LAMINA_CPU_KERNELS(Unfold, unfold){&unfold_columns, &fold_columns};

}  // namespace lamina::cpu::LAMINA_ISA

// Padding, row by row: the inside of a row is one copy, its border element by element.
//
// Backward gathers: a row of dx adds up the rows of dy that show it, in their order, so rows are
// independent of each other.  Bound by bytes.
#include "kernels/pad.h"

#include "core/parallel.h"
#include "cpu/loop.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::kPadRank;
using kernels::PadDim;
using kernels::PadPlan;

int64_t grain(const PadPlan& p) {
  const int64_t row = p.dims[p.rank - 1].out * p.unit;
  return row < kLoopGrain ? kLoopGrain / row : 1;
}

// f(row, place) for every row of the outer dimensions' sizes; place[d] is its position.
template <int64_t PadDim::* kSize, class F>
LAMINA_INLINE void for_rows(const PadPlan& p, const F& f) {
  const int outer = p.rank - 1;
  int64_t rows = 1;
  for (int d = 0; d < outer; ++d) rows *= p.dims[d].*kSize;
  parallel_for(rows, grain(p), [&](int64_t begin, int64_t end) {
    int64_t place[kPadRank];
    int64_t rest = begin;
    for (int d = outer - 1; d >= 0; --d) {
      place[d] = rest % (p.dims[d].*kSize);
      rest /= p.dims[d].*kSize;
    }
    for (int64_t row = begin; row < end; ++row) {
      f(row, place);
      for (int d = outer - 1; d >= 0 && ++place[d] == p.dims[d].*kSize; --d) place[d] = 0;
    }
  });
}

// The positions of y that show position i of x: image(0) ... image(count - 1).
struct Images {
  const int64_t* list;
  int64_t self, count;

  LAMINA_INLINE Images(const PadDim& d, int64_t i)
      : list(d.source ? d.images + d.first[i] : nullptr),
        self(i),
        count(d.source ? d.first[i + 1] - d.first[i] : 1) {}
  LAMINA_INLINE int64_t operator[](int64_t k) const { return list ? list[k] : self; }
};

template <class T>
LAMINA_INLINE void copy(T* to, const T* from, int64_t n) {
  constexpr int64_t L = kLanes<T>;
  if (n >= 32 * L) {
    __builtin_memcpy(to, from, static_cast<size_t>(n) * sizeof(T));
  } else if (n >= L) {  // the last vector overlaps the one before it
    for (int64_t i = 0; i + L < n; i += L) store(to + i, load(from + i));
    store(to + n - L, load(from + n - L));
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = from[i];
  }
}

template <class T>
LAMINA_INLINE void fill(T* to, T value, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = value;
}

template <class T>
void forward_rows(const PadPlan& p, const T* x, T value, T* y) {
  const PadDim& last = p.dims[p.rank - 1];
  const int64_t unit = p.unit, width = last.out * unit;
  for_rows<&PadDim::out>(p, [&](int64_t row, const int64_t* place) {
    const T* from = x;
    bool shows = true;
    for (int d = 0; d < p.rank - 1; ++d) {
      const int64_t* sources = p.dims[d].source;
      const int64_t source = sources ? sources[place[d]] : place[d];
      shows &= source >= 0;
      from += source * p.dims[d].in_stride;
    }
    T* to = y + row * width;
    if (!shows) return fill(to, value, width);
    const auto border = [&](int64_t first, int64_t end) {
      for (int64_t o = first; o < end; ++o) {
        if (last.source[o] < 0)
          fill(to + o * unit, value, unit);
        else
          copy(to + o * unit, from + last.source[o] * unit, unit);
      }
    };
    border(0, last.begin);
    copy(to + last.begin * unit, from + last.at * unit, last.run * unit);
    border(last.begin + last.run, last.out);
  });
}

template <class T>
LAMINA_INLINE void add(T* to, const T* from, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] += from[i];
}

// The row `from` of dy into the row `to` of dx, which it starts or adds to.
template <class T>
LAMINA_INLINE void fold_row(const PadDim& d, int64_t unit, const T* from, T* to, bool start) {
  if (start) {
    fill(to, T(0), d.at * unit);
    copy(to + d.at * unit, from + d.begin * unit, d.run * unit);
    fill(to + (d.at + d.run) * unit, T(0), (d.in - d.at - d.run) * unit);
  } else {
    add(to + d.at * unit, from + d.begin * unit, d.run * unit);
  }
  const auto border = [&](int64_t first, int64_t end) {
    for (int64_t o = first; o < end; ++o)
      if (d.source[o] >= 0) add(to + d.source[o] * unit, from + o * unit, unit);
  };
  border(0, d.begin);
  border(d.begin + d.run, d.out);
}

template <class T>
void backward_rows(const PadPlan& p, const T* dy, T* dx) {
  const PadDim& last = p.dims[p.rank - 1];
  const int outer = p.rank - 1;
  for_rows<&PadDim::in>(p, [&](int64_t, const int64_t* place) {
    T* to = dx;
    bool shown = true;
    for (int d = 0; d < outer; ++d) {
      to += place[d] * p.dims[d].in_stride;
      shown &= Images(p.dims[d], place[d]).count > 0;
    }
    if (!shown) return fill(to, T(0), last.in * p.unit);
    int64_t image[kPadRank] = {};  // one image of each outer position; all combinations in turn
    for (bool start = true;; start = false) {
      int64_t row = 0;
      for (int d = 0; d < outer; ++d)
        row = row * p.dims[d].out + Images(p.dims[d], place[d])[image[d]];
      fold_row(last, p.unit, dy + row * last.out * p.unit, to, start);
      int d = outer - 1;
      for (; d >= 0 && ++image[d] == Images(p.dims[d], place[d]).count; --d) image[d] = 0;
      if (d < 0) break;
    }
  });
}

template <class T>
void start_forward(const PadPlan& p, const void* x, const void* value, void* y) {
  forward_rows(p, static_cast<const T*>(x), *static_cast<const T*>(value), static_cast<T*>(y));
}

void forward(const PadPlan& p, int itemsize, const void* x, const uint64_t& value, void* y) {
  switch (itemsize) {
    case 1:
      return start_forward<uint8_t>(p, x, &value, y);
    case 2:
      return start_forward<uint16_t>(p, x, &value, y);
    case 4:
      return start_forward<uint32_t>(p, x, &value, y);
    default:
      return start_forward<uint64_t>(p, x, &value, y);
  }
}

void backward(const PadPlan& p, DType dtype, const void* dy, void* dx) {
  visit_real(dtype, [&](auto element) {
    using T = decltype(element);
    backward_rows(p, static_cast<const T*>(dy), static_cast<T*>(dx));
  });
}

}  // namespace

LAMINA_CPU_KERNELS(Pad, pad){&forward, &backward};

}  // namespace lamina::cpu::LAMINA_ISA

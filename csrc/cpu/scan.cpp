// out[i] = in[0] + ... + in[i] along lines, also products and running extrema.
//
// Lines advance together, as their chains of additions are independent: up to 64 where they lie side
// by side, so that the compiler vectorises across them, else 4, whose elements find room in a set of the
// cache even where a power of two lies between them.  float32 is carried in double.  A single line is
// bound by the latency of the addition, many by bytes.
#include "kernels/scan.h"

#include "cpu/convert.h"
#include "cpu/loop.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::ScanLines;
using kernels::ScanOp;

constexpr int64_t kTogether = 64, kApart = 4;

template <class T>
struct Carry {
  using Type = T;
};
template <>
struct Carry<float> {
  using Type = double;
};

template <class T, class Step>
void accumulate(const ScanLines& s, const Row<2>& row, typename Carry<T>::Type start, Step step) {
  using C = typename Carry<T>::Type;
  const bool side_by_side = row.stride[0] == 1 && row.stride[1] == 1;
  const int64_t together = side_by_side ? kTogether : kApart;
  for (int64_t begin = 0; begin < row.n; begin += together) {
    const int64_t m = row.n - begin < together ? row.n - begin : together;
    T* out = row.as<T>(0) + begin * row.stride[0];
    const T* in = row.as<const T>(1) + begin * row.stride[1];
    C carry[kTogether];
    for (int64_t j = 0; j < m; ++j) carry[j] = start;
    for (int64_t i = 0; i < s.n; ++i) {
      T* to = out + i * s.out_stride;
      const T* from = in + i * s.in_stride;
      if (side_by_side) {
#pragma GCC ivdep
        for (int64_t j = 0; j < m; ++j)
          to[j] = static_cast<T>(carry[j] = step(carry[j], static_cast<C>(from[j])));
      } else {
        for (int64_t j = 0; j < m; ++j)
          to[j * row.stride[0]] =
              static_cast<T>(carry[j] = step(carry[j], static_cast<C>(from[j * row.stride[1]])));
      }
    }
  }
}

// A NaN stays to the end of its line.  At ties the later position counts, as in torch.
template <class T, bool largest>
void extremum(const ScanLines& s, const Row<2>& row, int64_t* indices) {
  for (int64_t j = 0; j < row.n; ++j) {
    T* out = row.as<T>(0) + j * row.stride[0];
    const T* in = row.as<const T>(1) + j * row.stride[1];
    int64_t* index = indices + j * row.stride[0];
    T best = in[0];
    int64_t at = 0;
    for (int64_t i = 0; i < s.n; ++i) {
      const T x = in[i * s.in_stride];
      if (x != x || (best == best && (largest ? x >= best : x <= best))) {
        best = x;
        at = i;
      }
      out[i * s.out_stride] = best;
      index[i * s.out_stride] = at;
    }
  }
}

template <class T>
void scan_row(ScanOp op, const ScanLines& s, const Row<2>& row) {
  using C = typename Carry<T>::Type;
  using Unsigned = uint64_t;  // integers wrap
  constexpr bool integer = __is_same(T, int64_t);
  switch (op) {
    case ScanOp::sum:
      return accumulate<T>(s, row, 0, [](C a, C b) {
        if constexpr (integer)
          return static_cast<C>(static_cast<Unsigned>(a) + static_cast<Unsigned>(b));
        else
          return a + b;
      });
    case ScanOp::prod:
      return accumulate<T>(s, row, 1, [](C a, C b) {
        if constexpr (integer)
          return static_cast<C>(static_cast<Unsigned>(a) * static_cast<Unsigned>(b));
        else
          return a * b;
      });
    case ScanOp::max:
    case ScanOp::min: {
      int64_t* indices = s.indices + (row.as<T>(0) - static_cast<T*>(s.lines.data[0]));
      return op == ScanOp::max ? extremum<T, true>(s, row, indices)
                               : extremum<T, false>(s, row, indices);
    }
  }
}

void run_lines(ScanOp op, const ScanLines& s) {
  const auto run = [&](auto tag) {
    using T = decltype(tag);
    const auto& loop = s.lines;
    const int last = loop.rank - 1;
    const int64_t inner = loop.shape[last];
    int64_t rows = 1;
    for (int d = 0; d < last; ++d) rows *= loop.shape[d];
    const int64_t pieces = (inner + kTogether - 1) / kTogether;
    const int64_t work = s.n * (inner < kTogether ? inner : kTogether);
    parallel_for(
        rows * pieces, work < kLoopGrain ? kLoopGrain / work : 1, [&](int64_t begin, int64_t end) {
          for (int64_t unit = begin; unit < end; ++unit) {
            const int64_t piece = unit % pieces;
            int64_t rest = unit / pieces, offset[2] = {};
            for (int d = last - 1; d >= 0; --d) {
              for (int k = 0; k < 2; ++k) offset[k] += rest % loop.shape[d] * loop.strides[k][d];
              rest /= loop.shape[d];
            }
            Row<2> row;
            row.n = inner - piece * kTogether < kTogether ? inner - piece * kTogether : kTogether;
            for (int k = 0; k < 2; ++k) {
              row.stride[k] = loop.strides[k][last];
              const int64_t at = offset[k] + piece * kTogether * row.stride[k];
              row.data[k] = static_cast<char*>(loop.data[k]) + at * static_cast<int64_t>(sizeof(T));
            }
            scan_row<T>(op, s, row);
          }
        });
  };
  if (s.dtype == DType::float32) return run(float{});
  if (s.dtype == DType::float64) return run(double{});
  run(int64_t{});
}

}  // namespace

LAMINA_CPU_KERNELS(Scan, scan){&run_lines};

}  // namespace lamina::cpu::LAMINA_ISA

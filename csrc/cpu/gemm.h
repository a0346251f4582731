// The matrix multiply C (m, n) = init + A (m, k) * B (k, n), then an epilogue on each finished tile
// while it is in cache.
//
// One operand is shared: packed once per block of half an L2 cache and read by every task.  The
// other is private: a task owns some of its panels, packs each (16 KB for A, 32 KB for B: L1) just
// before use, and sweeps it over the shared block (BLIS's loops 1 to 3; Van Zee & van de Geijn,
// 2015).  The shared one is the smaller, so that all large traffic is streamed once and the number
// of tasks is large.  Operands that would be read only a few times stay where they are. Bound by
// FLOPs from about 64^3 on.  Every decision depends on the problem alone: the same bits on any
// number of threads.
#pragma once

#include "core/parallel.h"
#include "cpu/microkernel.h"
#include "cpu/panels.h"

namespace lamina::cpu::LAMINA_ISA {

template <class T>
struct Result {
  T* data;  // element (i, j) at data[i * row + j]
  int64_t row;
  // Element (i, j) at init[i * init_row + j * init_col], init_col 0 or 1; null: zero.
  const T* init = nullptr;
  int64_t init_row = 0, init_col = 1;
};

// An epilogue sees each finished tile, of any size, once: element (row + i, col + j) of C at
// tile[i * stride + j], i < rows, j < cols.
struct NoEpilogue {
  template <class T>
  LAMINA_INLINE void operator()(T*, int64_t /*stride*/, int64_t /*row*/, int /*rows*/,
                                int64_t /*col*/, int /*cols*/) const {}
};

template <class T>
inline constexpr int64_t kDepthBlock = 1024 / sizeof(T);  // depths of one pass over a private panel
inline constexpr int64_t kSharedBytes = 512 << 10;        // half of a small L2 cache
inline constexpr int64_t kTaskFlops = 2'000'000;          // about 10 microseconds

template <class T, class PackA, class PackB, class Epilogue>
class Product {
 public:
  // Over depths [k0, k1).
  Product(int64_t m, int64_t n, int64_t k0, int64_t k1, const PackA& a, const PackB& b,
          const Result<T>& c, const Epilogue& epilogue)
      : k0_(k0), k1_(k1), a_(a, m), b_(b, n), c_(c), epilogue_(epilogue) {
    // Packing pays where a panel is read often, or where it would not stay in cache: rows a
    // multiple of half a page apart share a few sets of L1; B's columns are read from L2 as fast as
    // from L1.
    if constexpr (requires { a.line_stride; }) {
      const bool one_set = a.depth_stride == 1 && a.line_stride * sizeof(T) % 2048 == 0;
      a_.in_place = (a.line_stride == 1 || a.depth_stride == 1) && b_.count <= (one_set ? 1 : 4);
    }
    if constexpr (requires { b.line_stride; }) {
      const int64_t bytes = n * (k1 - k0) * static_cast<int64_t>(sizeof(T));
      b_.in_place = b.line_stride == 1 && (a_.count <= 3 || bytes <= (32 << 10) ||
                                           (a_.count <= 12 && bytes <= 2 * kSharedBytes));
    }
  }

  void run() const {
    if (b_.extent <= a_.extent || a_.count * kTileRows > 256)
      sweep<true>(a_, b_);
    else
      sweep<false>(b_, a_);
  }

 private:
  using PanelsA = Panels<T, PackA, true>;
  using PanelsB = Panels<T, PackB, false>;

  // Every panel of `mine` against every block of `shared`.
  template <bool kRowsPrivate, class Private, class Shared>
  void sweep(const Private& mine, const Shared& shared) const {
    constexpr int kSharedWidth = Shared::kWidth, kPrivateWidth = Private::kWidth;
    constexpr int64_t kBudget = kSharedBytes / (kSharedWidth * sizeof(T));  // panels times depths
    const int64_t depths_in_all = larger(1, k1_ - k0_);
    const int64_t block = even_part(depths_in_all, kDepthBlock<T>);
    const int64_t width = even_part(shared.count, larger(1, kBudget / block));
    const int64_t span =
        block == depths_in_all ? block : larger(1, kBudget / (width * block)) * block;
    const Buffer<T> packed(shared.packed_panels(width) * kSharedWidth * smaller(span, k1_ - k0_));
    for (int64_t first = 0; first < shared.count; first += width)
      for (int64_t depth = k0_; depth == k0_ || depth < k1_; depth += span) {
        const SharedBlock<T, Shared> ready(shared, packed.data(), first,
                                           smaller(first + width, shared.count), depth,
                                           smaller(depth + span, k1_));
        const int64_t grain = task_items(mine.count, mine.lines(0) * ready.flops(), kTaskFlops);
        parallel_for(mine.count, grain, [&](int64_t begin, int64_t end) {
          const Buffer<T> panel(mine.packed_panels(1) * kPrivateWidth * block);
          for (int64_t i = begin; i < end; ++i)
            sweep_panel<kRowsPrivate>(mine, i, panel.data(), block, ready);
        });
      }
  }

  // Panel i of the private operand, `block` depths at a time, against the whole shared block.
  template <bool kRowsPrivate, class Private, class Shared>
  void sweep_panel(const Private& mine, int64_t i, T* buffer, int64_t block,
                   const Shared& shared) const {
    for (int64_t p = shared.begin; p == shared.begin || p < shared.end; p += block) {
      const int64_t depths = smaller(block, shared.end - p);
      const PanelView<T> view = mine.view(i, p, depths, buffer);
      // What this thread most likely needs next, the next task's included, is brought into L2
      // meanwhile: packing would otherwise wait for L3 (1024^3: 4 % of the time).
      const bool same = p + block < shared.end;  // more of this panel
      const int64_t next = same ? i : i + 1, next_depth = same ? p + block : shared.begin;
      for (int64_t j = shared.first; j < shared.last; ++j) {
        if (next < mine.count)
          mine.prefetch(next, next_depth, depths, j - shared.first, shared.last - shared.first);
        if constexpr (kRowsPrivate)
          tile(i, j, p, depths, view, shared.view(j, p));
        else
          tile(j, i, p, depths, shared.view(j, p), view);
      }
    }
  }

  LAMINA_INLINE void tile(int64_t i, int64_t j, int64_t depth, int64_t depths,
                          const PanelView<T>& a, const PanelView<T>& b) const {
    const int64_t row = a_.begin(i), col = b_.begin(j);
    T* c = c_.data + row * c_.row + col;
    TileTask<T> task{depths, a.data, a.line, a.depth, b.data,      b.depth,    c,
                     c_.row, c,      c_.row, 1,       a_.lines(i), b_.lines(j)};
    if (depth == k0_) {
      task.init = c_.init ? c_.init + row * c_.init_row + col * c_.init_col : nullptr;
      task.init_row = c_.init_row;
      task.init_col = c_.init_col;
    }
    multiply_tile(task);
    if (depth + depths == k1_) epilogue_(c, c_.row, row, task.rows, col, task.cols);
  }

  int64_t k0_, k1_;
  PanelsA a_;
  PanelsB b_;
  Result<T> c_;
  const Epilogue& epilogue_;
};

// How many pieces a long k is cut into where C alone has too few panels to keep many threads busy:
// by the problem alone.
template <class T>
int64_t depth_splits(int64_t m, int64_t n, int64_t k) {
  constexpr int64_t kMostSplits = 32, kLeastDepth = 1024, kMostBytes = 8 << 20;
  if (k < 2 * kLeastDepth) return 1;
  const int64_t panels = larger(ceil_div(m, kTileRows), ceil_div(n, kTileCols<T>));
  const int64_t fit = kMostBytes / (m * n * static_cast<int64_t>(sizeof(T)));
  const int64_t splits = smaller(smaller(k / kLeastDepth, fit), kMostSplits);
  return splits > panels ? splits : 1;
}

// C = init + the sum of `count` partial products, each (m, n) row-major, pairwise in a fixed tree.
template <class T, class Epilogue>
void sum_partial_products(int64_t m, int64_t n, int64_t count, T* partial, const Result<T>& c,
                          const Epilogue& epilogue) {
  parallel_for(m, task_items(m, n * count * static_cast<int64_t>(sizeof(T)), kPackTaskBytes),
               [&](int64_t begin, int64_t end) {
                 const int64_t from = begin * n, to = end * n, next = m * n;
                 for (int64_t step = 1; step < count; step *= 2)
                   for (int64_t s = 0; s + step < count; s += 2 * step) {
                     T* sum = partial + s * next;
                     const T* other = sum + step * next;
                     for (int64_t q = from; q < to; ++q) sum[q] += other[q];
                   }
                 for (int64_t i = begin; i < end; ++i)
                   for (int64_t j = 0; j < n; ++j)
                     c.data[i * c.row + j] =
                         partial[i * n + j] +
                         (c.init ? c.init[i * c.init_row + j * c.init_col] : T(0));
                 epilogue(c.data + begin * c.row, c.row, begin, static_cast<int>(end - begin), 0,
                          static_cast<int>(n));
               });
}

template <class T, class PackA, class PackB, class Epilogue = NoEpilogue>
void gemm(int64_t m, int64_t n, int64_t k, const PackA& a, const PackB& b, const Result<T>& c,
          const Epilogue& epilogue = {}) {
  if (m == 0 || n == 0) return;
  const int64_t splits = depth_splits<T>(m, n, k);
  if (splits == 1) return Product<T, PackA, PackB, Epilogue>(m, n, 0, k, a, b, c, epilogue).run();
  const Scratch partial(splits * m * n * sizeof(T));
  const NoEpilogue none;
  parallel_for(splits, 1, [&](int64_t begin, int64_t end) {
    for (int64_t s = begin; s < end; ++s) {
      const Result<T> piece{partial.as<T>() + s * m * n, n};
      Product<T, PackA, PackB, NoEpilogue>(m, n, k * s / splits, k * (s + 1) / splits, a, b, piece,
                                           none)
          .run();
    }
  });
  sum_partial_products(m, n, splits, partial.as<T>(), c, epilogue);
}

}  // namespace lamina::cpu::LAMINA_ISA

// Two sums over each column (cuda/columns.h): what the statistics of a batch and the gradients of an
// affine map need.
//
// Rows: the threads of a block stand side by side, in as many rows as fit.  Planes: a warp or a block
// goes through a column.  Columns too few to fill a device are split among blocks, by the shape alone,
// so that the bits are the same on every device and run.  Sums are kept in double.  Bound by bytes.
#pragma once

#include "cuda/columns.h"
#include "cuda/rows.h"
#include "cuda/scratch.h"

namespace lamina::cuda {

struct Sums {
  double first, second;
};

__device__ __forceinline__ Sums add_sums(Sums a, Sums b) {
  return {a.first + b.first, a.second + b.second};
}

// A Term says what is summed.  It has
//   template <int width, bool rows> struct Of;  // made from (term, k): what is constant in a column
// whose add(at, o, sums) takes elements at ... at + width, of step o of `outer`, to sums[0 ... width).

struct ColumnWork {
  Columns columns;
  int abreast;                // rows: threads side by side, a power of two
  int64_t blocks;             // rows: blocks side by side
  WideDivisor run;            // planes, in items
  int64_t per_split, splits;  // items of a column: elements, or with planes packs of them
};

// Grid: (batch, blocks abreast) by splits.
template <class Term, int width>
__global__ void __launch_bounds__(kColumnThreads)
    row_sums_kernel(const ColumnWork w, const Term term, Sums* parts) {
  LAMINA_SHARED(Sums, shared, [kColumnThreads][width]);
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t b = blockIdx.x / w.blocks, block = blockIdx.x - b * w.blocks;
  const int64_t c = (block * w.abreast + thread % w.abreast) * width;
  const int64_t k = b * w.columns.channels + c, begin = blockIdx.y * w.per_split;
  const int64_t last = begin + w.per_split, end = w.columns.outer < last ? w.columns.outer : last;
  const bool exists = c < w.columns.channels;
  Sums sums[width] = {};
  if (exists) {
    const typename Term::template Of<width, true> of(term, k);
    for (int64_t o = begin + thread / w.abreast; o < end; o += kColumnThreads / w.abreast)
      of.add((b * w.columns.outer + o) * w.columns.channels + c, o, sums);
  }
  for (int i = 0; i < width; ++i) shared[thread][i] = sums[i];
  for (int apart = kColumnThreads / 2; apart >= w.abreast; apart /= 2) {
    __syncthreads();
    if (thread >= apart) continue;
    for (int i = 0; i < width; ++i)
      shared[thread][i] = add_sums(shared[thread][i], shared[thread + apart][i]);
  }
  if (thread >= w.abreast || !exists) return;
  for (int i = 0; i < width; ++i) parts[(k + i) * w.splits + blockIdx.y] = shared[thread][i];
}

// Grid: columns, kColumnThreads / lanes a block, by splits.
template <class Term, int width, int lanes>
__global__ void __launch_bounds__(kColumnThreads)
    plane_sums_kernel(const ColumnWork w, const Term term, Sums* parts) {
  const Row<lanes> column(Rows{w.columns.channels, w.per_split, 1});
  const int64_t k = column.index, items = w.columns.outer * w.run.value;
  const int64_t begin = blockIdx.y * w.per_split, last = begin + w.per_split;
  const int64_t end = items < last ? items : last;
  Sums sums[width] = {};
  if (column.exists) {
    const typename Term::template Of<width, false> of(term, k);
    for (int64_t item = begin + column.first; item < end; item += lanes) {
      const int64_t o = w.run.quotient(item), i = (item - o * w.run.value) * width;
      of.add((o * w.columns.channels + k) * w.columns.inner + i, o, sums);
    }
  }
  for (int i = 1; i < width; ++i) sums[0] = add_sums(sums[0], sums[i]);
  const Sums total = column.reduce(sums[0], add_sums);
  if (column.leads()) parts[k * w.splits + blockIdx.y] = total;
}

// parts (columns, splits): to be added up by whoever needs the sums.
class ColumnSums {
 public:
  ColumnSums(const Columns& c, bool packs)
      : packs_(packs), work_(plan(c, packs ? kPack : 1)), parts_(bytes(work_)) {}

  template <class Term>
  void take(const Term& term) {
    packs_ ? run<kPack>(term) : run<1>(term);
  }

  const Sums* parts() const { return parts_.as<Sums>(); }
  int64_t splits() const { return work_.splits; }

 private:
  static constexpr int64_t kFill = 1 << 18;  // threads that keep a device busy
  static constexpr int64_t kLeast = 16;      // items a thread, before a column is split further

  static int plane_lanes(const Columns& c) {
    return c.column() <= 4096 ? static_cast<int>(kWarpSize) : kRowThreads;
  }

  static ColumnWork plan(const Columns& c, int width) {
    ColumnWork w{c, 1, 0, WideDivisor(1), 0, 0};
    int64_t threads, items, lanes;
    if (c.rows()) {
      const int64_t packs = c.channels / width;
      while (w.abreast < packs && w.abreast < static_cast<int>(kWarpSize)) w.abreast *= 2;
      w.blocks = blocks_for(packs, w.abreast);
      threads = c.batch * w.blocks * kColumnThreads;
      items = c.outer;
      lanes = kColumnThreads / w.abreast;
    } else {
      w.run = WideDivisor(c.inner / width);
      items = c.outer * w.run.value;
      lanes = plane_lanes(c);
      threads = c.channels * lanes;
    }
    const int64_t fit = kFill / threads, worth = items / (lanes * kLeast);
    const int64_t splits = fit < worth ? fit : worth;
    w.per_split = splits > 1 ? (items + splits - 1) / splits : items;
    w.splits = (items + w.per_split - 1) / w.per_split;
    return w;
  }

  static size_t bytes(const ColumnWork& w) {
    return static_cast<size_t>(w.columns.count() * w.splits) * sizeof(Sums);
  }

  template <int width, class Term>
  void run(const Term& term) {
    const Columns& c = work_.columns;
    const auto splits = static_cast<unsigned>(work_.splits);
    if (c.rows()) {
      const dim3 grid(static_cast<unsigned>(c.batch * work_.blocks), splits);
      return launch(&row_sums_kernel<Term, width>, grid, kColumnThreads, 0, stream(), work_, term,
                    parts_.as<Sums>());
    }
    const int lanes = plane_lanes(c);
    const dim3 grid(blocks_for(c.channels, kColumnThreads / lanes), splits);
    const auto kernel = lanes == kRowThreads ? &plane_sums_kernel<Term, width, kRowThreads>
                                             : &plane_sums_kernel<Term, width, kWarpSize>;
    launch(kernel, grid, kColumnThreads, 0, stream(), work_, term, parts_.as<Sums>());
  }

  bool packs_;
  ColumnWork work_;
  DeviceScratch parts_;
};

}  // namespace lamina::cuda

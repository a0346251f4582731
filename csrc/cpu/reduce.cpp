// Drives reductions: cuts them into units, feeds blocks to a Reducer, combines and writes.
//
// Where the innermost dimension in memory is reduced, a run of up to 1024 elements is folded in
// vector registers ("run"); where it is kept, up to 32 rows are folded side by side ("columns").
// Blocks are folded in the element type, blocks into each other in double (or int64), so that the
// error of a float32 sum stays near that of 16 to 64 additions at any length.  A unit is some
// outputs by some 65,536 elements; long reductions combine their units in order.  All of this
// depends on shapes alone: the same bits on any number of threads.  Bound by bytes: one read of the
// input.
#include "core/memory.h"
#include "cpu/convert.h"
#include "cpu/loop.h"
#include "cpu/reducer.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::Reduce;
using kernels::Reduction;

constexpr int64_t kUnit = 65536;   // elements a unit of work
constexpr int64_t kStaged = 4096;  // elements converted at once

LAMINA_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
LAMINA_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

LAMINA_INLINE int64_t product(const int64_t* shape, int rank) {
  int64_t n = 1;
  for (int d = 0; d < rank; ++d) n *= shape[d];
  return n;
}

// Offset of the position that has row-major number `index` in `shape`.
LAMINA_INLINE int64_t offset_of(int64_t index, const int64_t* shape, const int64_t* strides,
                                int rank) {
  int64_t offset = 0;
  for (int d = rank - 1; d >= 0; --d) {
    offset += index % shape[d] * strides[d];
    index /= shape[d];
  }
  return offset;
}

// The dimensions of a reduction, split for the loops.  `across`: outputs lie side by side, rows are
// reduced.
struct Plan {
  bool across;
  int outer_kept, outer_reduced;               // ranks without the innermost dimension
  int64_t outputs, output_stride, output_out;  // innermost kept dimension
  int64_t inner, inner_stride;                 // innermost reduced dimension
  int64_t batches, runs;                       // products of the others
  int64_t width, tiles;                        // outputs a tile, tiles a batch
  int64_t piece, pieces;                       // reduced elements a block, blocks a run
  int64_t unit_blocks, units;                  // blocks a unit, units an output
};

Plan plan_of(const Reduction& r) {
  Plan p;
  p.outer_kept = r.kept ? r.kept - 1 : 0;
  p.outer_reduced = r.reduced ? r.reduced - 1 : 0;
  p.outputs = r.kept ? r.kept_shape[p.outer_kept] : 1;
  p.output_stride = r.kept ? r.kept_in[p.outer_kept] : 0;
  p.output_out = r.kept ? r.kept_out[p.outer_kept] : 0;
  p.inner = r.reduced ? r.reduced_shape[p.outer_reduced] : 1;
  p.inner_stride = r.reduced ? r.reduced_in[p.outer_reduced] : 1;
  p.batches = product(r.kept_shape, p.outer_kept);
  p.runs = product(r.reduced_shape, p.outer_reduced);

  const auto distance = [](int64_t stride) { return stride < 0 ? -stride : stride; };
  p.across =
      p.outputs >= 8 && (p.inner == 1 || distance(p.output_stride) < distance(p.inner_stride));
  p.piece = smaller(p.across ? kBlockRows : kBlock, p.inner);
  p.pieces = ceil_div(p.inner, p.piece);
  const int64_t n = p.inner * p.runs, blocks = p.pieces * p.runs;
  const int64_t widest = smaller(p.across    ? kTile
                                 : n < kUnit ? kUnit / n
                                             : 1,
                                 smaller(kTile, p.outputs));
  p.tiles = ceil_div(p.outputs, widest);
  p.width = ceil_div(p.outputs, p.tiles);
  if (p.across) p.width = smaller(ceil_div(p.width, 64) * 64, widest);
  p.tiles = ceil_div(p.outputs, p.width);
  const int64_t per_block = p.piece * p.width;
  p.unit_blocks = smaller(blocks, per_block < kUnit ? kUnit / per_block : 1);
  p.units = ceil_div(blocks, p.unit_blocks);
  return p;
}

struct Driver {
  const Reduction& r;
  const Reducer& f;
  Plan p;
  Converter stage;  // null where elements are used as they lie
  int64_t in_size, staged_size;

  Driver(const Reduction& reduction, const Reducer& reducer)
      : r(reduction), f(reducer), p(plan_of(reduction)) {
    in_size = itemsize(r.in_dtype);
    staged_size = itemsize(r.compute);
    const int64_t stride = p.across ? p.output_stride : p.inner_stride;
    const int64_t length = p.across ? p.outputs : p.inner;
    const bool direct = r.in_dtype == r.compute && (stride == 1 || length == 1);
    stage = direct ? nullptr : converter(r.in_dtype, r.compute);
  }

  LAMINA_INLINE const char* at(int64_t offset) const {
    return static_cast<const char*>(r.in) + offset * in_size;
  }

  // Folds blocks [begin, end) of the outputs [tile * width, ...) of a batch into `state`.
  void fold(Word* state, int64_t batch, int64_t tile, int64_t begin, int64_t end) const {
    alignas(64) char staged[kStaged * 8];
    const int64_t start = tile * p.width, outputs = smaller(p.width, p.outputs - start);
    const int64_t base =
        offset_of(batch, r.kept_shape, r.kept_in, p.outer_kept) + start * p.output_stride;
    f.start(state, outputs, outputs);
    // Outputs that lie apart are folded one after the other: memory is read in its order.
    const int64_t apart = p.across ? 1 : outputs;
    for (int64_t j = 0; j < apart; ++j)
      for (int64_t block = begin; block < end; ++block) {
        const int64_t run = block / p.pieces, position = block % p.pieces * p.piece;
        const int64_t n = smaller(p.piece, p.inner - position), first = run * p.inner + position;
        const int64_t offset = base + j * p.output_stride +
                               offset_of(run, r.reduced_shape, r.reduced_in, p.outer_reduced) +
                               position * p.inner_stride;
        if (p.across) {
          fold_rows(state, offset, n, outputs, first, staged);
          continue;
        }
        const void* x = at(offset);
        if (stage) {
          stage(staged, 1, x, p.inner_stride, n);
          x = staged;
        }
        f.run(state + j, outputs, x, n, first, r.parameter);
      }
  }

  LAMINA_INLINE void fold_rows(Word* state, int64_t offset, int64_t rows, int64_t outputs,
                               int64_t first, char* staged) const {
    if (!stage) {
      f.columns(state, outputs, at(offset), p.inner_stride, rows, outputs, first, r.parameter);
      return;
    }
    const int64_t fit = kStaged / outputs;  // rows that the buffer holds: at least kStaged / kTile
    for (int64_t i = 0; i < rows; i += fit) {
      const int64_t some = smaller(fit, rows - i);
      for (int64_t k = 0; k < some; ++k)
        stage(staged + k * outputs * staged_size, 1, at(offset + (i + k) * p.inner_stride),
              p.output_stride, outputs);
      f.columns(state, outputs, staged, outputs, some, outputs, first + i, r.parameter);
    }
  }

  void write(Word* state, int64_t batch, int64_t tile) const {
    const int64_t start = tile * p.width, outputs = smaller(p.width, p.outputs - start);
    const int64_t offset =
        offset_of(batch, r.kept_shape, r.kept_out, p.outer_kept) + start * p.output_out;
    f.finish(state, outputs, outputs, p.inner * p.runs, r.parameter);
    converter(f.result[0], r.out_dtype)(static_cast<char*>(r.out) + offset * itemsize(r.out_dtype),
                                        p.output_out, state, 1, outputs);
    if (r.second == nullptr) return;
    const DType to = f.result[1] == DType::int64 ? DType::int64 : r.out_dtype;
    converter(f.result[1], to)(static_cast<char*>(r.second) + offset * itemsize(to), p.output_out,
                               state + outputs, 1, outputs);
  }

  void operator()() const {
    const int64_t tiles = p.batches * p.tiles, blocks = p.pieces * p.runs;
    if (p.units == 1) {
      const int64_t elements = blocks * p.piece * p.width;
      parallel_for(tiles, elements < kUnit ? kUnit / elements : 1, [&](int64_t begin, int64_t end) {
        Word state[kMaxWords * kTile];
        for (int64_t t = begin; t < end; ++t) {
          fold(state, t / p.tiles, t % p.tiles, 0, blocks);
          write(state, t / p.tiles, t % p.tiles);
        }
      });
      return;
    }
    const int64_t size = f.words * p.width;
    Scratch scratch(tiles * p.units * size * sizeof(Word));
    Word* states = scratch.as<Word>();  // (tiles, units, words, outputs)
    parallel_for(tiles * p.units, 1, [&](int64_t begin, int64_t end) {
      // On the stack while blocks are folded: neighbouring units' states may share a cache line.
      Word state[kMaxWords * kTile];
      for (int64_t i = begin; i < end; ++i) {
        const int64_t t = i / p.units, first = i % p.units * p.unit_blocks;
        fold(state, t / p.tiles, t % p.tiles, first, smaller(first + p.unit_blocks, blocks));
        for (int64_t w = 0; w < size; ++w) states[i * size + w] = state[w];
      }
    });
    parallel_for(tiles, ceil_div(kUnit, p.units * size), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        Word* state = states + t * p.units * size;
        const int64_t outputs = smaller(p.width, p.outputs - t % p.tiles * p.width);
        for (int64_t u = 1; u < p.units; ++u) f.combine(state, state + u * size, outputs, outputs);
        write(state, t / p.tiles, t % p.tiles);
      }
    });
  }
};

void dispatch(Reduce op, const Reduction& r) {
  const Reducer f = op < Reduce::var      ? fold_reducer(op, r.compute)
                    : op < Reduce::argmax ? moment_reducer(op, r.compute)
                                          : index_reducer(op, r.compute);
  Driver(r, f)();
}

}  // namespace

LAMINA_CPU_KERNELS(Reducers, reduce){&dispatch};

}  // namespace lamina::cpu::LAMINA_ISA

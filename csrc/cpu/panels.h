// The operands of a matrix multiply, cut into panels as wide as the register tile, and where each
// panel is read: in place or packed.
#pragma once

#include <new>

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/microkernel.h"
#include "cpu/pack.h"

namespace lamina::cpu::LAMINA_ISA {

LAMINA_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
LAMINA_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
LAMINA_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

// The size of equal parts of at most `most` that make up `total`.
LAMINA_INLINE int64_t even_part(int64_t total, int64_t most) {
  return total <= most ? total : ceil_div(total, ceil_div(total, most));
}

// How many of `count` items of a cost make a task of at least `worth`.  No division where one task
// does for all.
LAMINA_INLINE int64_t task_items(int64_t count, int64_t cost, int64_t worth) {
  return cost * count <= worth ? larger(count, 1) : larger(1, worth / cost);
}

inline constexpr int64_t kPackTaskBytes = 64 << 10;

// Memory for packing: on the stack for a tiny product, where fetching scratch would take longer
// than packing.
template <class T>
class Buffer {
 public:
  explicit Buffer(int64_t count) : data_(local_) {
    if (count > kLocal) data_ = (new (scratch_) Scratch(count * sizeof(T)))->template as<T>();
  }
  ~Buffer() {
    if (data_ != local_) reinterpret_cast<Scratch*>(scratch_)->~Scratch();
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  T* data() const { return data_; }

 private:
  static constexpr int kLocal = 4096 / sizeof(T);

  T* data_;
  alignas(64) T local_[kLocal];
  alignas(Scratch) unsigned char scratch_[sizeof(Scratch)];
};

// How the microkernel reads a panel.
template <class T>
struct PanelView {
  const T* data;
  int64_t line, depth;  // strides
};

// B (depths, n) packed ahead by pack_columns into ceil_div(n, kTileCols) panels, for several
// products with one B.
template <class T>
struct PackedColumns {
  const T* panels;
  int64_t depths;

  LAMINA_INLINE PanelView<T> panel(int64_t index, int64_t depth) const {
    return {panels + (index * depths + depth) * kTileCols<T>, 1, kTileCols<T>};
  }
};

template <class T, class Packer>
void pack_columns(int64_t n, int64_t depths, const Packer& b, T* panels) {
  constexpr int kWidth = kTileCols<T>;
  const int64_t count = ceil_div(n, kWidth), bytes = kWidth * depths * int64_t{sizeof(T)};
  parallel_for(count, task_items(count, bytes, kPackTaskBytes), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      b.template pack<kWidth>(panels + i * kWidth * depths, i * kWidth,
                              static_cast<int>(smaller(kWidth, n - i * kWidth)), 0, depths);
  });
}

// One operand cut into panels: kRows for A.
template <class T, class Packer, bool kRows>
struct Panels {
  static constexpr bool kPackedAhead = requires(const Packer& p) { p.panel(0, 0); };
  static constexpr int kLines = kRows ? kTileRows : kTileCols<T>;
  // Whole vectors, also for A, whose last lanes no tile reads.
  static constexpr int kWidth = kRows ? (kLines + kLanes<T> - 1) / kLanes<T> * kLanes<T> : kLines;

  const Packer& packer;
  int64_t extent;  // lines in all
  int64_t count;
  int64_t each, longer;  // rows of a panel of A; that many panels have one more
  bool in_place;         // panels of whole vectors (B) or of any size (A) are read where they are

  Panels(const Packer& packer, int64_t extent)
      : packer(packer),
        extent(extent),
        count(ceil_div(extent, kLines)),
        each(count == 1 ? extent : extent / count),
        longer(extent - each * count),
        in_place(kPackedAhead) {}

  // Rows are dealt out evenly, since a tile costs what it has of them; columns come in whole
  // vectors.
  int64_t begin(int64_t panel) const {
    return kRows ? panel * each + smaller(panel, longer) : panel * kLines;
  }
  int lines(int64_t panel) const {
    return static_cast<int>(kRows ? each + (panel < longer)
                                  : smaller(kLines, extent - panel * kLines));
  }
  bool reads_in_place(int64_t panel) const {
    return in_place && (kRows || kPackedAhead || lines(panel) % kLanes<T> == 0);
  }

  // How many of `panels` panels are packed at most.
  int64_t packed_panels(int64_t panels) const {
    return !in_place ? panels : !reads_in_place(count - 1);
  }

  PanelView<T> view_in_place(int64_t panel, int64_t depth) const {
    if constexpr (kPackedAhead)
      return packer.panel(panel, depth);
    else if constexpr (requires { packer.line_stride; })
      return {packer.at(begin(panel), depth), packer.line_stride, packer.depth_stride};
    else
      __builtin_unreachable();
  }
  // The panel from `depth` on, packed into `buffer` unless it is read in place.
  PanelView<T> view(int64_t panel, int64_t depth, int64_t depths, T* buffer) const {
    if (reads_in_place(panel)) return view_in_place(panel, depth);
    pack(panel, depth, depths, buffer);
    return {buffer, 1, kWidth};
  }
  void pack(int64_t panel, int64_t depth, int64_t depths, T* buffer) const {
    if constexpr (!kPackedAhead)
      packer.template pack<kWidth>(buffer, begin(panel), lines(panel), depth, depths);
  }
  LAMINA_INLINE void prefetch(int64_t panel, int64_t depth, int64_t depths, int64_t part,
                              int64_t parts) const {
    if constexpr (requires { &Packer::prefetch; })
      packer.prefetch(begin(panel), lines(panel), depth, depths, part, parts);
  }
};

// The shared operand's block: panels [first, last), depths [begin, end).
template <class T, class Panels>
class SharedBlock {
  static constexpr int kWidth = Panels::kWidth;

 public:
  const int64_t first, last, begin, end;

  SharedBlock(const Panels& panels, T* buffer, int64_t first, int64_t last, int64_t begin,
              int64_t end)
      : first(first), last(last), begin(begin), end(end), panels_(panels), buffer_(buffer) {
    first_packed_ = panels.in_place ? last - !panels.reads_in_place(last - 1) : first;
    const int64_t count = last - first_packed_;
    const int64_t bytes = kWidth * (end - begin) * static_cast<int64_t>(sizeof(T));
    parallel_for(count, task_items(count, bytes, kPackTaskBytes), [&](int64_t from, int64_t to) {
      for (int64_t i = first_packed_ + from; i < first_packed_ + to; ++i)
        panels_.pack(i, this->begin, this->end - this->begin, packed(i));
    });
  }

  PanelView<T> view(int64_t panel, int64_t depth) const {
    if (panel < first_packed_) return panels_.view_in_place(panel, depth);
    return {packed(panel) + (depth - begin) * kWidth, 1, kWidth};
  }

  // Floating-point operations of one line of the other operand over this block.
  int64_t flops() const {
    return 2 * panels_.lines(first) * (last - first) * larger(1, end - begin);
  }

 private:
  T* packed(int64_t panel) const {
    return buffer_ + (panel - first_packed_) * kWidth * (end - begin);
  }

  const Panels& panels_;
  T* buffer_;
  int64_t first_packed_;
};

}  // namespace lamina::cpu::LAMINA_ISA

// Panels of a matrix multiply's operands.  A "line" is a row of A or a column of B; panel[p * Width
// + i] holds line i at depth p, zero where the operand has no such line, so that the microkernel
// reads it front to back.
//
// A packer is any type with
//   template <int Width> void pack(T* panel, int64_t line, int lines, int64_t depth, int64_t
//   depths) const;
// that fills `depths` rows of a panel from lines [line, line + lines), lines <= Width, and depths
// from `depth` on.
#pragma once

#include "cpu/lane_transpose.h"
#include "cpu/vec.h"

namespace lamina::cpu::LAMINA_ISA {

// A plain matrix: line i at depth p lies at data[i * line_stride + p * depth_stride].
template <class T>
struct Strided {
  const T* data;
  int64_t line_stride, depth_stride;

  const T* at(int64_t line, int64_t depth) const {
    return data + line * line_stride + depth * depth_stride;
  }

  template <int Width>
  void pack(T* panel, int64_t line, int lines, int64_t depth, int64_t depths) const {
    const T* source = at(line, depth);
    if (line_stride == 1)
      copy_lines<Width>(panel, source, lines, depths);
    else if (depth_stride == 1)
      transpose_lines<Width>(panel, source, lines, depths);
    else
      gather_lines<Width>(panel, source, lines, depths);
  }

  LAMINA_INLINE void prefetch(int64_t line, int lines, int64_t depth, int64_t depths, int64_t part,
                              int64_t parts) const {
    const bool along_lines = line_stride == 1;
    const int64_t rows = along_lines ? depths : lines, length = along_lines ? lines : depths;
    const int64_t stride = along_lines ? depth_stride : line_stride;
    constexpr int64_t kLine = 64 / sizeof(T);
    for (int64_t r = rows * part / parts; r < rows * (part + 1) / parts; ++r)
      for (int64_t q = 0; q < length; q += kLine)
        __builtin_prefetch(at(line, depth) + r * stride + q, 0, 3);
  }

 private:
  template <int Width>
  void copy_lines(T* panel, const T* source, int lines, int64_t depths) const {
    constexpr int L = kLanes<T>;
    for (int64_t p = 0; p < depths; ++p, source += depth_stride, panel += Width) {
      if (lines == Width) {
#pragma GCC unroll 4
        for (int v = 0; v < Width; v += L) store(panel + v, load(source + v));
      } else {
        for (int i = 0; i < lines; ++i) panel[i] = source[i];
        for (int i = lines; i < Width; ++i) panel[i] = T(0);
      }
    }
  }

  template <int Width>
  void transpose_lines(T* panel, const T* source, int lines, int64_t depths) const {
    constexpr int L = kLanes<T>;
    int64_t p = 0;
    for (; p + L <= depths; p += L) {
#pragma GCC unroll 4
      for (int first = 0; first < Width; first += L) {
        Vec<T> square[L];
#pragma GCC unroll 16
        for (int i = 0; i < L; ++i)
          square[i] = first + i < lines ? load(source + (first + i) * line_stride + p) : Vec<T>{};
        transpose_lanes<T>(square);
#pragma GCC unroll 16
        for (int i = 0; i < L; ++i) store(panel + (p + i) * Width + first, square[i]);
      }
    }
    gather_lines<Width>(panel + p * Width, source + p, lines, depths - p);
  }

  template <int Width>
  void gather_lines(T* panel, const T* source, int lines, int64_t depths) const {
    for (int64_t p = 0; p < depths; ++p, source += depth_stride, panel += Width) {
      for (int i = 0; i < lines; ++i) panel[i] = source[i * line_stride];
      for (int i = lines; i < Width; ++i) panel[i] = T(0);
    }
  }
};

}  // namespace lamina::cpu::LAMINA_ISA

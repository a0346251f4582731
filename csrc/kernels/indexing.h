// Elements found through integer positions.
//
// Every loop runs over one shape: that of the index, broadcast with the dimensions that are not
// indexed.  The array that is indexed has stride 0 along the index's dimensions; `index * scale`
// elements lead to the place instead.
#pragma once

#include "core/dtype.h"
#include "kernels/loop.h"

namespace lamina::kernels {

// What an index holds: positions in [low, size), those below 0 from the end, each leading `scale`
// elements on.  On the CPU the op has checked them, and none is below 0 any more.  Elsewhere only
// kernels see them: they check each, record one outside for `op`, and leave its element out.
struct Positions {
  const char* op;  // null: places that the kernel `places` has made
  int64_t low, size, scale;
};

enum class Combine { assign, add, multiply, maximum, minimum };

// dst[p][index[p] * scale] (op)= src[p], `scale` that of the positions.  Elements of the dimensions [serial, rank - 1) and, unless
// `free_rows`, of the last may meet at one place: they are combined one after the other, in order.
// Everything else runs in parallel.
struct Scatter {
  Combine combine;
  DType dtype;
  Loop<3> loop;  // dst, src, index; not reordered; src may be a number
  int serial;    // dimensions before this one lead to different places
  bool free_rows;
  Positions positions;
};

inline constexpr int64_t kMaskChunk = 32768;  // elements of a mask that one chunk counts

struct Indexing {
  // The least and the greatest of the int64 values, for the check of bounds; low > high where there
  // are none.
  void (*extent)(const Loop<1>& index, int64_t* low, int64_t* high);
  // place (+)= (i < 0 ? i + size : i) * scale, or 0 for a position that is recorded
  void (*places)(const Loop<2>& loop, const Positions& positions, bool add);  // place, index
  // out[p] = src[p][index[p] * scale], or 0 where the position is recorded
  void (*gather)(size_t itemsize, const Loop<3>& loop,
                 const Positions& positions);  // out, src, index
  void (*scatter)(const Scatter& s);
  // counts[c]: set elements of chunk c of `mask`, n bytes in a row.
  void (*count)(const uint8_t* mask, int64_t n, int64_t* counts);
  // For every set element of a row-major mask: sum over dimensions of coordinate * weight, to out[k
  // * stride], where chunk c begins at k = starts[c].
  void (*nonzero)(const uint8_t* mask, int rank, const int64_t* shape, const int64_t* weight,
                  const int64_t* starts, int64_t* out, int64_t stride);
  int64_t (*prefix)(const int64_t* counts, int64_t n,
                    int64_t* starts);  // starts[i]: sum before i; gives the total
  // out[starts[i]] to out[starts[i] + counts[i] - 1] = i
  void (*repeat)(const int64_t* counts, const int64_t* starts, int64_t n, int64_t* out);
};

}  // namespace lamina::kernels

// Tiles of a matrix product's operands in shared memory, and the copies that fill them.
//
// A has rows, B has columns; here both are `sides` (of the product's m or n), which run against the
// common `depth` (its k).  A tile lies as its operand does in memory, so that 16 bytes of one are 16
// bytes of the other: along its depth or along its side.
#pragma once

#include "cuda/async_copy.h"
#include "cuda/unroll.h"

namespace lamina::cuda {

enum class Order { depth, side };  // what lies together

// 16 bytes of elements: what one asynchronous copy moves and one load from shared memory takes.
template <class T>
inline constexpr int kChunk = 16 / static_cast<int>(sizeof(T));

template <class T>
struct alignas(16) Chunk {
  T v[kChunk<T>];
};

template <class T, int sides, int depths, Order order_of_lines>
struct Tile {
  using Element = T;
  static constexpr int kSides = sides, kDepths = depths;
  static constexpr Order kOrder = order_of_lines;
  static constexpr bool kAlongDepth = kOrder == Order::depth;
  static constexpr int kLine = kAlongDepth ? depths : sides;   // elements that lie together
  static constexpr int kLines = kAlongDepth ? sides : depths;  // and how many such lines
  // Lines are apart by what lets a warp's loads fall into different banks: of 16 bytes from eight
  // lines (ldmatrix, chunks along the depth), of eight words from four lines.
  static constexpr int kPitch = kLine + (kAlongDepth ? kChunk<T> : 8);
  static constexpr int kSize = kLines * kPitch;
  static constexpr bool kWide = false;  // its loaders may have to copy element by element

  static __device__ __forceinline__ int at(int side, int depth) {
    return kAlongDepth ? side * kPitch + depth : depth * kPitch + side;
  }
  // Where element `place` of a line lies, the first of a chunk.
  static __device__ __forceinline__ int chunk(int line, int place) { return line * kPitch + place; }
};

// As Hopper's tensor cores and copy engine take tiles of 16-bit floats: panels of 128 bytes a line,
// in which chunk c of line l lies at chunk c ^ l % 8.  Aligned to 1024 bytes.
template <class T, int sides, int depths, Order order_of_lines>
struct SwizzledTile {
  using Element = T;
  static constexpr int kSides = sides, kDepths = depths;
  static constexpr bool kAlongDepth = order_of_lines == Order::depth;
  static constexpr int kLine = kAlongDepth ? depths : sides;
  static constexpr int kLines = kAlongDepth ? sides : depths;
  static constexpr int kSpan = 128 / sizeof(T);  // elements of a panel's line
  static constexpr int kPanels = kLine / kSpan, kPanel = kLines * kSpan, kSize = kPanels * kPanel;
  static constexpr bool kWide = true;
  static_assert(sizeof(T) == 2 && kLine % kSpan == 0 && kLines % 8 == 0);

  static __device__ __forceinline__ int chunk(int line, int place) {
    return place / kSpan * kPanel + line * kSpan +
           (place % kSpan / kChunk<T> ^ line % 8) * kChunk<T>;
  }
};

// Which chunks of a tile a thread copies: kCopies of them at one place of lines kStep apart.
template <class Tile, int threads>
struct Share {
  static constexpr int kChunksInLine = Tile::kLine / kChunk<typename Tile::Element>;
  static constexpr int kStep = threads / kChunksInLine;
  static constexpr int kCopies = Tile::kLines / kStep;
  static_assert(threads % kChunksInLine == 0 && Tile::kLines % kStep == 0);

  int line, place;

  __device__ Share()
      : line(static_cast<int>(threadIdx.x) / kChunksInLine),
        place(static_cast<int>(threadIdx.x) % kChunksInLine * kChunk<typename Tile::Element>) {}
};

// The first `valid` elements of a chunk; the others become zero.
template <class T>
__device__ __forceinline__ void copy_chunk(T* to, const T* from, int valid) {
  copy_async_16(to, from, valid * static_cast<int>(sizeof(T)));
}

// One element, or zero.  Two bytes are too few for an asynchronous copy.
template <class T>
__device__ __forceinline__ void copy_element(T* to, const T* from, bool valid) {
  if constexpr (sizeof(T) == 2)
    to->bits = valid ? from->bits : 0;
  else if constexpr (sizeof(T) == 4)
    copy_async_4(to, from, valid);
  else
    copy_async_8(to, from, valid);
}

}  // namespace lamina::cuda

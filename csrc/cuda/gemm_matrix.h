// Loads tiles of a strided matrix.
#pragma once

#include "cuda/gemm_tile.h"

namespace lamina::cuda {

template <class T>
struct MatrixOperand {
  const T* data;
  int64_t side_stride, depth_stride;
  bool wide;  // 16 bytes at a time: the tile's lines lie together in memory, and all are aligned

  // Whether chunks may be copied whole.
  static bool can_be_wide(const void* data, int64_t together, int64_t apart) {
    return together == 1 && apart % kChunk<T> == 0 && reinterpret_cast<uintptr_t>(data) % 16 == 0;
  }
};

template <class Tile, int threads>
class MatrixLoader {
  using T = typename Tile::Element;
  using Mine = Share<Tile, threads>;

 public:
  // Sides first_side... of `sides`, and depths from `begin` to `end`.
  __device__ MatrixLoader(const MatrixOperand<T>& operand, int64_t first_side, int64_t sides,
                          int64_t begin, int64_t end)
      : operand_(operand),
        sides_(sides - first_side < Tile::kSides ? static_cast<int>(sides - first_side)
                                                 : Tile::kSides),
        depths_(end - begin),
        from_(operand.data + first_side * operand.side_stride + begin * operand.depth_stride) {}

  // Starts the copies of the next tile.
  __device__ __forceinline__ void load(T* tile) {
    LAMINA_UNROLL
    for (int i = 0; i < Mine::kCopies; ++i) {
      const int line = mine_.line + i * Mine::kStep;
      const int side = Tile::kAlongDepth ? line : mine_.place;
      const int depth = Tile::kAlongDepth ? mine_.place : line;
      const int64_t across = Tile::kAlongDepth ? sides_ - side : depths_ - depth;
      const int64_t along = Tile::kAlongDepth ? depths_ - depth : sides_ - side;
      const int valid = across <= 0 || along <= 0 ? 0
                        : along < kChunk<T>       ? static_cast<int>(along)
                                                  : kChunk<T>;
      T* to = tile + Tile::chunk(line, mine_.place);
      const T* from = from_ + side * operand_.side_stride + depth * operand_.depth_stride;
      if (operand_.wide) {
        copy_chunk(to, valid > 0 ? from : operand_.data, valid);
      } else {
        const int64_t step = Tile::kAlongDepth ? operand_.depth_stride : operand_.side_stride;
        LAMINA_UNROLL
        for (int e = 0; e < kChunk<T>; ++e)
          copy_element(to + e, e < valid ? from + e * step : operand_.data, e < valid);
      }
    }
    from_ += Tile::kDepths * operand_.depth_stride;
    depths_ -= Tile::kDepths;
  }

 private:
  const MatrixOperand<T>& operand_;
  Mine mine_;
  int sides_;
  int64_t depths_;
  const T* from_;
};

}  // namespace lamina::cuda

// Loads tiles of a matrix by the copy engine of sm_90: one thread starts a copy a panel.
#pragma once

#include "cuda/gemm_tile.h"
#include "cuda/tensor_map.h"

namespace lamina::cuda {

template <class Tile>
class BoxLoader {
  using T = typename Tile::Element;

 public:
  static constexpr bool kBoxes = true;  // load() is one thread's, and ends as bytes of a barrier
  static constexpr unsigned kBytes = Tile::kSize * sizeof(T);

  // From a map of boxes of Tile::kLines; it must be a kernel's argument.
  __device__ BoxLoader(const CUtensorMap& map, int64_t side, int64_t depth, unsigned matrix)
      : map_(map),
        side_(static_cast<int>(side)),
        depth_(static_cast<int>(depth)),
        matrix_(static_cast<int>(matrix)) {}

  // Starts the copies of the next tile.
  __device__ __forceinline__ void load(T* tile, Mbarrier* landed) {
    LAMINA_UNROLL
    for (int p = 0; p < Tile::kPanels; ++p) {
      const int along = p * Tile::kSpan;
      copy_box(tile + p * Tile::kPanel, map_, landed,
               Tile::kAlongDepth ? depth_ + along : side_ + along,
               Tile::kAlongDepth ? side_ : depth_, matrix_);
    }
    depth_ += Tile::kDepths;
  }

 private:
  const CUtensorMap& map_;
  int side_, depth_, matrix_;
};

}  // namespace lamina::cuda

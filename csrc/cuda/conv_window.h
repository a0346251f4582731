// Loads tiles of the matrix that a convolution multiplies: windows of an activation, never written
// out.  Its element at (position, tap) is the activation's at
//
//   place = position * step + origin + tap * reach      in each spatial dimension,
//
// of the position's image and the tap's channel; zero where that is outside.  Both indices are
// numbers in mixed radix whose digits add to the place and to the address, so that one walks along
// the depth of the product by adding digits, without a division.
#pragma once

#include "cuda/gemm_tile.h"
#include "kernels/conv.h"

namespace lamina::cuda {

using kernels::kConvDims;

// Sizes and places below are less than kFarthest, so that the sum of two is an int.
inline constexpr int kFarthest = 1 << 29, kOutside = -(1 << 30);

struct Spot {
  int at[kConvDims];
  int64_t offset;

  // Adding any spot to it leads outside.
  static __device__ __forceinline__ Spot outside() { return {{kOutside, 0, 0}, 0}; }
};

// One of the two indices: four digits, the last running fastest, of which those from `spatial` on
// are (depth, height, width): positions (image, d, h, w), taps (d, h, w, channel).
inline constexpr int kDigits = 1 + kConvDims;

struct Digits {
  int v[kDigits];
};

template <int spatial>
struct Axis {
  int size[kDigits];
  int64_t stride[kDigits], first;  // elements in memory that a digit is worth; of index 0
  int step[kConvDims], origin[kConvDims];

  __device__ Digits digits(int64_t index) const {
    Digits d;
    for (int i = kDigits - 1; i > 0; --i) {
      const int64_t next = index >> 31 == 0
                               ? static_cast<unsigned>(index) / static_cast<unsigned>(size[i])
                               : index / size[i];
      d.v[i] = static_cast<int>(index - next * size[i]);
      index = next;
    }
    d.v[0] = static_cast<int>(index);
    return d;
  }

  __device__ __forceinline__ Digits sum(const Digits& a, const Digits& b) const {
    Digits d;
    int carry = 0;
    LAMINA_UNROLL
    for (int i = kDigits - 1; i >= 0; --i) {
      d.v[i] = a.v[i] + b.v[i] + carry;
      carry = i > 0 && d.v[i] >= size[i];
      if (carry) d.v[i] -= size[i];
    }
    return d;
  }

  __device__ __forceinline__ Spot spot(const Digits& d) const {
    Spot s;
    s.offset = first;
    LAMINA_UNROLL
    for (int i = 0; i < kConvDims; ++i) s.at[i] = d.v[spatial + i] * step[i] + origin[i];
    LAMINA_UNROLL
    for (int i = 0; i < kDigits; ++i) s.offset += d.v[i] * stride[i];
    return s;
  }
};
using Positions = Axis<1>;
using Taps = Axis<0>;

template <class T>
struct Windows {
  const T* data;
  Positions positions;
  Taps taps;
  int size[kConvDims];  // of the activation
  bool wide;            // 16 bytes of channels at a time: they lie together, and all are aligned
};

// Positions are the tile's sides and taps its depth, or the other way round.
template <class Tile, int threads, bool positions_on_side>
class WindowLoader {
  using T = typename Tile::Element;
  using Mine = Share<Tile, threads>;
  static constexpr int kChunkSize = kChunk<T>;
  static constexpr int kSides = Tile::kAlongDepth ? Mine::kCopies : Tile::kWide ? 1 : kChunkSize;

 public:
  // Sides first_side... of `sides`, and depths from `begin` to `end`.
  __device__ WindowLoader(const Windows<T>& windows, int64_t first_side, int64_t sides,
                          int64_t begin, int64_t end)
      : windows_(windows) {
    const int depth = Tile::kAlongDepth ? mine_.place : mine_.line;
    left_ = end - begin - depth;
    depth_ = depth_axis().digits(begin + depth);
    step_ = depth_axis().digits(Tile::kAlongDepth ? Tile::kDepths : Mine::kStep);
    one_ = depth_axis().digits(1);
    LAMINA_UNROLL
    for (int i = 0; i < kSides; ++i) {
      const int64_t side =
          first_side + (Tile::kAlongDepth ? mine_.line + i * Mine::kStep : mine_.place + i);
      side_[i] = side < sides ? side_axis().spot(side_axis().digits(side)) : Spot::outside();
    }
  }

  // Starts the copies of the next tile.
  __device__ __forceinline__ void load(T* tile) {
    const auto to = [&](int i) {
      return tile + Tile::chunk(mine_.line + i * Mine::kStep, mine_.place);
    };
    if constexpr (Tile::kAlongDepth) {
      Digits digits = depth_;
      LAMINA_UNROLL
      for (int e = 0; e < kChunkSize; ++e) {
        const Spot depth = e < left_ ? depth_axis().spot(digits) : Spot::outside();
        LAMINA_UNROLL
        for (int i = 0; i < kSides; ++i) copy(to(i) + e, side_[i], depth);
        if (wide()) break;
        digits = depth_axis().sum(digits, one_);
      }
      depth_ = depth_axis().sum(depth_, step_);
      left_ -= Tile::kDepths;
    } else {
      LAMINA_UNROLL
      for (int i = 0; i < Mine::kCopies; ++i) {
        const Spot depth = left_ > 0 ? depth_axis().spot(depth_) : Spot::outside();
        LAMINA_UNROLL
        for (int e = 0; e < kSides; ++e) {
          copy(to(i) + e, side_[e], depth);
          if (wide()) break;
        }
        depth_ = depth_axis().sum(depth_, step_);
        left_ -= Mine::kStep;
      }
    }
  }

 private:
  __device__ __forceinline__ const auto& side_axis() const {
    if constexpr (positions_on_side)
      return windows_.positions;
    else
      return windows_.taps;
  }
  __device__ __forceinline__ const auto& depth_axis() const {
    if constexpr (positions_on_side)
      return windows_.taps;
    else
      return windows_.positions;
  }

  __device__ __forceinline__ bool wide() const { return Tile::kWide || windows_.wide; }

  // A chunk or an element.
  __device__ __forceinline__ void copy(T* to, const Spot& a, const Spot& b) const {
    bool inside = true;
    LAMINA_UNROLL
    for (int d = 0; d < kConvDims; ++d)
      inside &= static_cast<unsigned>(a.at[d] + b.at[d]) < static_cast<unsigned>(windows_.size[d]);
    const T* from = inside ? windows_.data + (a.offset + b.offset) : windows_.data;
    if (wide())
      copy_chunk(to, from, inside ? kChunkSize : 0);
    else
      copy_element(to, from, inside);
  }

  const Windows<T>& windows_;
  Mine mine_;
  Spot side_[kSides];
  Digits depth_, step_, one_;
  int64_t left_;
};

}  // namespace lamina::cuda

// A convolution's passes as matrix products for the main loop of gemm.h.  A group is a product of
// its own; so is a phase of dgrad (conv_phase.h).
#pragma once

#include "cuda/conv_activation.h"
#include "cuda/gemm.h"
#include "cuda/gemm_boxes.h"
#include "cuda/gemm_matrix.h"
#include "cuda/gemm_output.h"

namespace lamina::cuda {

struct ActivationPlace {
  Positions rows;
  int64_t channel_stride;

  __device__ __forceinline__ int64_t row_offset(int64_t row) const {
    return rows.spot(rows.digits(row)).offset;
  }
  __device__ __forceinline__ int64_t column_offset(int64_t column) const {
    return column * channel_stride;
  }
};

// An activation's channels, of which the launch may leave moments.
template <class T>
struct ActivationOutput : Output<T, ActivationPlace> {
  MomentPlaces moments;

  // A sum as it is stored, without a residual.
  template <class Sum>
  __device__ __forceinline__ Sum stored(Sum sum, int64_t column) const {
    return convert<Sum>(this->finish.apply(sum, 0, column, 0));
  }
};

// target (positions, channels) = windows of source (positions, taps x channels) times weights
// (taps x channels, channels), which lie so a group and phase.
template <class T>
struct WindowProblem {
  int n, groups, phases;
  Dimension dims[kConvDims];
  Activation<const T> source;
  Activation<T> target;
  const T* weights;
  int64_t weight_pitch, weight_size;  // columns in memory; elements a group and phase
  Finish<T> finish;                   // of group 0
  MomentPlaces moments;               // of group 0, of fprop
  CUtensorMap weight_map;             // for Hopper's loop: those of all groups and phases

  class Part {
   public:
    __device__ Part(const WindowProblem& p, unsigned z)
        : problem_(p), z_(z), group_(z % p.groups), phase_(p.dims, static_cast<int>(z / p.groups)) {
      const auto& [d, h, w] = phase_;
      const int64_t (&s)[2 + kConvDims] = p.source.stride;
      windows_.data = p.source.group(group_);
      windows_.positions = {{p.n, d.rows, h.rows, w.rows},
                            {s[0], d.step * s[2], h.step * s[3], w.step * s[4]},
                            d.origin * s[2] + h.origin * s[3] + w.origin * s[4],
                            {d.step, h.step, w.step},
                            {d.origin, h.origin, w.origin}};
      windows_.taps = {
          {d.taps, nonzero(h.taps), nonzero(w.taps), static_cast<int>(p.source.channels)},
          {d.reach * s[2], h.reach * s[3], w.reach * s[4], s[1]},
          0,
          {d.reach, h.reach, w.reach},
          {0, 0, 0}};
      for (int i = 0; i < kConvDims; ++i) windows_.size[i] = p.dims[i].source;
      windows_.wide = p.source.wide;
      weights_ = {p.weights + z * p.weight_size, 1, p.weight_pitch, true};
    }

    __device__ int64_t rows() const { return problem_.n * phase_.rows(); }
    __device__ int64_t depth() const { return phase_.taps() * problem_.source.channels; }

    template <class Core>
    __device__ auto loader_a(int64_t row, int64_t begin, int64_t end) const {
      return WindowLoader<typename Core::A, Core::kLoaders, true>(windows_, row, rows(), begin,
                                                                  end);
    }
    template <class Core>
    __device__ auto loader_b(int64_t column, int64_t begin, int64_t end) const {
      if constexpr (Core::kWgmma)
        return BoxLoader<typename Core::B>(problem_.weight_map, column, begin, z_);
      else
        return MatrixLoader<typename Core::B, Core::kLoaders>(weights_, column,
                                                              problem_.target.channels, begin, end);
    }
    __device__ auto output() const {
      const Activation<T>& t = problem_.target;
      ActivationOutput<T> out{
          {t.group(group_),
           {positions(t.stride, problem_.n, phase_.d, phase_.h, phase_.w, problem_.dims),
            t.stride[1]},
           problem_.finish,
           t.wide},
          problem_.moments};
      out.moments.channel = group_ * t.channels;
      if (out.finish.init) out.finish.init += group_ * t.channels;
      if (out.finish.residual) out.finish.residual += group_ * t.channels * t.stride[1];
      return out;
    }

   private:
    static __device__ int nonzero(int size) { return size > 0 ? size : 1; }  // a radix

    const WindowProblem& problem_;
    unsigned z_;
    int64_t group_;
    Phases phase_;
    Windows<T> windows_;
    MatrixOperand<T> weights_;
  };
};

struct WeightPlace {
  int64_t row_size, taps;  // of one filter: channels x taps
  int channels;

  __device__ __forceinline__ int64_t row_offset(int64_t row) const { return row * row_size; }
  __device__ __forceinline__ int64_t column_offset(int64_t column) const {
    return column % channels * taps + column / channels;
  }
};

// dw (filters, taps x channels) = dy (positions, filters) transposed, times windows of x.
template <class T>
struct WeightProblem {
  int n, groups;
  Dimension dims[kConvDims];  // of the forward pass
  Activation<const T> x, dy;
  T* dw;
  int taps;

  class Part {
   public:
    __device__ Part(const WeightProblem& p, unsigned z) : problem_(p), group_(z) {
      const Dimension &d = p.dims[0], &h = p.dims[1], &w = p.dims[2];
      const int64_t (&s)[2 + kConvDims] = p.x.stride;
      const int64_t (&t)[2 + kConvDims] = p.dy.stride;
      x_ = {p.x.group(group_),
            {{p.n, d.target, h.target, w.target},
             {s[0], d.stride * s[2], h.stride * s[3], w.stride * s[4]},
             -(d.pad * s[2] + h.pad * s[3] + w.pad * s[4]),
             {d.stride, h.stride, w.stride},
             {-d.pad, -h.pad, -w.pad}},
            {{d.kernel, h.kernel, w.kernel, static_cast<int>(p.x.channels)},
             {d.dilation * s[2], h.dilation * s[3], w.dilation * s[4], s[1]},
             0,
             {d.dilation, h.dilation, w.dilation},
             {0, 0, 0}},
            {d.source, h.source, w.source},
            p.x.wide};
      dy_ = {
          p.dy.group(group_),
          {{p.n, d.target, h.target, w.target}, {t[0], t[2], t[3], t[4]}, 0, {1, 1, 1}, {0, 0, 0}},
          {{1, 1, 1, static_cast<int>(p.dy.channels)}, {0, 0, 0, t[1]}, 0, {0, 0, 0}, {0, 0, 0}},
          {d.target, h.target, w.target},
          p.dy.wide};
    }

    __device__ int64_t rows() const { return problem_.dy.channels; }
    __device__ int64_t depth() const {
      const Dimension(&d)[kConvDims] = problem_.dims;
      return int64_t{problem_.n} * d[0].target * d[1].target * d[2].target;
    }

    template <class Core>
    __device__ auto loader_a(int64_t row, int64_t begin, int64_t end) const {
      return WindowLoader<typename Core::A, Core::kLoaders, false>(dy_, row, rows(), begin, end);
    }
    template <class Core>
    __device__ auto loader_b(int64_t column, int64_t begin, int64_t end) const {
      return WindowLoader<typename Core::B, Core::kLoaders, false>(
          x_, column, problem_.taps * problem_.x.channels, begin, end);
    }
    __device__ auto output() const {
      const int64_t filter = problem_.taps * problem_.x.channels;
      return Output<T, WeightPlace>{problem_.dw + group_ * rows() * filter,
                                    {filter, problem_.taps, static_cast<int>(problem_.x.channels)},
                                    {},
                                    false};
    }

   private:
    const WeightProblem& problem_;
    int64_t group_;
    Windows<T> x_, dy_;
  };
};

}  // namespace lamina::cuda

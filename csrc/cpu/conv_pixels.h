// Activations whose channels lie together pixel by pixel, or copies in which they do.
#pragma once

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/conv_epilogue.h"
#include "cpu/conv_pack_image.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// An activation (n, h, w, c) whose channels lie together.
template <class Pointer>
struct Pixels {
  Pointer data;
  int64_t n_stride, h_stride, w_stride;
  int64_t n, h, w, c;
};

// An activation as it is where the channels of a pixel lie together, else a copy in which they do.
class ChannelsLast {
 public:
  ChannelsLast(const ConvTensor& a, int64_t n, int64_t c, int64_t h, int64_t w)
      : copied_(a.stride[1] != 1),
        memory_(copied_ ? n * c * h * w * sizeof(float) : 1),
        pixels{static_cast<float*>(a.data), a.stride[0], a.stride[3], a.stride[4], n, h, w, c} {
    if (copied_) pixels = {memory_.as<float>(), h * w * c, w * c, c, n, h, w, c};
  }
  bool copied() const { return copied_; }

 private:
  bool copied_;
  Scratch memory_;

 public:
  Pixels<float*> pixels;
};

inline Pixels<const float*> read(const Pixels<float*>& p) {
  return {p.data, p.n_stride, p.h_stride, p.w_stride, p.n, p.h, p.w, p.c};
}

inline void copy_from(const ConvTensor& a, const Pixels<float*>& to) {
  parallel_for(to.n, 1, [&](int64_t begin, int64_t end) {
    const int64_t extent[kConvDims] = {1, to.h, to.w};
    const ImageBox<float> image{static_cast<const float*>(a.data),
                                a.stride,
                                extent,
                                begin,
                                end - begin,
                                {0, 0, 0},
                                {1, to.h, to.w},
                                {1, to.c, to.c}};
    pack_image(image, to.data + begin * to.n_stride);
  });
}

inline void copy_to(const Pixels<float*>& from, const ConvTensor& a,
                    const Epilogue<float>& epilogue) {
  parallel_for(from.n, 1, [&](int64_t n, int64_t) {
    for (int64_t h = 0; h < from.h; ++h)
      for (int64_t c = 0; c < from.c; ++c)
        for (int64_t w = 0; w < from.w; ++w) {
          float* y = static_cast<float*>(a.data) + n * a.stride[0] + c * a.stride[1] +
                     h * a.stride[3] + w * a.stride[4];
          *y = epilogue.apply(
              from.data[n * from.n_stride + h * from.h_stride + w * from.w_stride + c], y);
        }
  });
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

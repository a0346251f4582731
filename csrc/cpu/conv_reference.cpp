// The definition as plain loops, summed in double: what the fast algorithms are tested against.
#include "cpu/conv_algorithms.h"
#include "cpu/conv_epilogue.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::ConvPass;
using kernels::ConvShape;
using kernels::ConvTensor;
using kernels::kConvDims;

// f(o, t, i) for every output position o and tap t that meet inside x, at input position i.
template <class F>
LAMINA_INLINE void for_each_meeting(const ConvShape& s, const F& f) {
  int64_t o[kConvDims], t[kConvDims], i[kConvDims];
  for (o[0] = 0; o[0] < s.out[0]; ++o[0])
    for (o[1] = 0; o[1] < s.out[1]; ++o[1])
      for (o[2] = 0; o[2] < s.out[2]; ++o[2])
        for (t[0] = 0; t[0] < s.kernel[0]; ++t[0])
          for (t[1] = 0; t[1] < s.kernel[1]; ++t[1])
            for (t[2] = 0; t[2] < s.kernel[2]; ++t[2]) {
              bool inside = true;
              for (int d = 0; d < kConvDims; ++d) {
                i[d] = o[d] * s.stride[d] + t[d] * s.dilation[d] - s.pad[d];
                inside &= i[d] >= 0 && i[d] < s.in[d];
              }
              if (inside) f(o, t, i);
            }
}

template <class T>
LAMINA_INLINE T& element(const ConvTensor& a, int64_t n, int64_t c, const int64_t* at) {
  return static_cast<T*>(a.data)[n * a.stride[0] + c * a.stride[1] + at[0] * a.stride[2] +
                                 at[1] * a.stride[3] + at[2] * a.stride[4]];
}

LAMINA_INLINE int64_t weight_index(const ConvShape& s, int64_t k, int64_t c, const int64_t* t) {
  return (((k * (s.c / s.groups) + c) * s.kernel[0] + t[0]) * s.kernel[1] + t[1]) * s.kernel[2] +
         t[2];
}

// body(element, channel) over all of an activation.
template <class T, class Body>
LAMINA_INLINE void for_each_element(const ConvTensor& a, int64_t n, int64_t c, const int64_t* size,
                                    const Body& body) {
  int64_t at[kConvDims];
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < c; ++j)
      for (at[0] = 0; at[0] < size[0]; ++at[0])
        for (at[1] = 0; at[1] < size[1]; ++at[1])
          for (at[2] = 0; at[2] < size[2]; ++at[2]) body(element<T>(a, i, j, at), j);
}

template <class T>
void fill(const ConvTensor& a, int64_t n, int64_t c, const int64_t* size, const T* value) {
  for_each_element<T>(a, n, c, size, [&](T& y, int64_t j) { y = value ? value[j] : T(0); });
}

void fprop(const ConvShape& s, DType dtype, const ConvTensor& x, const void* w,
           const kernels::ConvEpilogue& epilogue, const ConvTensor& y) {
  visit_real(dtype, [&](auto of) {
    using T = decltype(of);
    const T* weights = static_cast<const T*>(w);
    fill<T>(y, s.n, s.k, s.out, static_cast<const T*>(epilogue.bias));
    for (int64_t n = 0; n < s.n; ++n)
      for (int64_t k = 0; k < s.k; ++k) {
        const int64_t c0 = k / (s.k / s.groups) * (s.c / s.groups);
        for_each_meeting(s, [&](const int64_t* o, const int64_t* t, const int64_t* i) {
          double sum = 0;
          for (int64_t c = 0; c < s.c / s.groups; ++c)
            sum += double(element<T>(x, n, c0 + c, i)) * double(weights[weight_index(s, k, c, t)]);
          element<T>(y, n, k, o) += T(sum);
        });
      }
    const Epilogue<T> finish(epilogue, y.data);
    for_each_element<T>(y, s.n, s.k, s.out,
                        [&](T& value, int64_t) { value = finish.apply(value, &value); });
  });
}

void dgrad(const ConvShape& s, DType dtype, const ConvTensor& dy, const void* w, const void* bias,
           const ConvTensor& dx) {
  visit_real(dtype, [&](auto of) {
    using T = decltype(of);
    const T* weights = static_cast<const T*>(w);
    fill<T>(dx, s.n, s.c, s.in, static_cast<const T*>(bias));
    for (int64_t n = 0; n < s.n; ++n)
      for (int64_t c = 0; c < s.c; ++c) {
        const int64_t in_group = c % (s.c / s.groups), k0 = c / (s.c / s.groups) * (s.k / s.groups);
        for_each_meeting(s, [&](const int64_t* o, const int64_t* t, const int64_t* i) {
          double sum = 0;
          for (int64_t k = k0; k < k0 + s.k / s.groups; ++k)
            sum +=
                double(element<T>(dy, n, k, o)) * double(weights[weight_index(s, k, in_group, t)]);
          element<T>(dx, n, c, i) += T(sum);
        });
      }
  });
}

void wgrad(const ConvShape& s, DType dtype, const ConvTensor& x, const ConvTensor& dy, void* dw) {
  visit_real(dtype, [&](auto of) {
    using T = decltype(of);
    T* weights = static_cast<T*>(dw);
    const int64_t count = s.k * (s.c / s.groups) * s.kernel[0] * s.kernel[1] * s.kernel[2];
    for (int64_t i = 0; i < count; ++i) weights[i] = T(0);
    for (int64_t k = 0; k < s.k; ++k) {
      const int64_t c0 = k / (s.k / s.groups) * (s.c / s.groups);
      for (int64_t c = 0; c < s.c / s.groups; ++c)
        for_each_meeting(s, [&](const int64_t* o, const int64_t* t, const int64_t* i) {
          double sum = 0;
          for (int64_t n = 0; n < s.n; ++n)
            sum += double(element<T>(dy, n, k, o)) * double(element<T>(x, n, c0 + c, i));
          weights[weight_index(s, k, c, t)] += T(sum);
        });
    }
  });
}

bool offers(ConvPass, const ConvShape&, DType) { return true; }

}  // namespace

constinit const ConvRoutines reference_conv{&offers, nullptr, nullptr, &fprop, &dgrad, &wgrad};

}  // namespace lamina::cpu::LAMINA_ISA

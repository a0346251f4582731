// Rows from one element type to another: the casts, and the staging of other kernels.
//
// Plain loops that the compiler vectorises where both strides are 1; bound by bytes.
#include "cpu/convert.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// Bools as bytes: of loops over bool the compiler makes no vectors.
template <class T>
struct StoredAs {
  using Type = T;
};
template <>
struct StoredAs<bool> {
  using Type = uint8_t;
};
template <class T>
using Stored = typename StoredAs<T>::Type;

template <class To, class From>
void convert_row(void* out, int64_t out_stride, const void* in, int64_t in_stride, int64_t n) {
  auto* to = static_cast<Stored<To>*>(out);
  const auto* from = static_cast<const Stored<From>*>(in);
  if (out_stride == 1 && in_stride == 1) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) to[i] = convert<To>(from[i]);
  } else if (out_stride == 1 && in_stride == 0) {
    const To x = convert<To>(*from);
    for (int64_t i = 0; i < n; ++i) to[i] = x;
  } else {
    for (int64_t i = 0; i < n; ++i) to[i * out_stride] = convert<To>(from[i * in_stride]);
  }
}

}  // namespace

Converter converter(DType from, DType to) {
  return visit(from, [&](auto from_tag) {
    return visit(to, [](auto to_tag) -> Converter {
      return &convert_row<decltype(to_tag), decltype(from_tag)>;
    });
  });
}

}  // namespace lamina::cpu::LAMINA_ISA

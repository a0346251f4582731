// Elementwise arithmetic and casts: out[i] = f(a[i], b[i]).
//
// One pass over strided operands.  Rows whose innermost strides are 1 (or 0 for a broadcast
// operand) are plain loops that the compiler vectorises; bound by bytes: two reads and a write an
// element.
#include "kernels/elementwise.h"

#include "cpu/convert.h"
#include "cpu/loop.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::Binary;
using kernels::Loop;

struct Add {
  template <class T>
  LAMINA_INLINE T operator()(T a, T b) const {
    return a + b;
  }
};
struct Subtract {
  template <class T>
  LAMINA_INLINE T operator()(T a, T b) const {
    return a - b;
  }
};
struct Multiply {
  template <class T>
  LAMINA_INLINE T operator()(T a, T b) const {
    return a * b;
  }
  LAMINA_INLINE bool operator()(bool a, bool b) const { return a && b; }
};
struct Divide {
  template <class T>
  LAMINA_INLINE T operator()(T a, T b) const {
    return a / b;
  }
};

template <class T, class R, class Op>
LAMINA_INLINE void binary_row(const Row<3>& row, Op op) {
  using C = typename Compute<T>::Type;
  R* __restrict out = row.as<R>(0);
  const T* a = row.as<const T>(1);
  const T* b = row.as<const T>(2);
  const int64_t n = row.n, so = row.stride[0], sa = row.stride[1], sb = row.stride[2];
  const auto value = [&](int64_t i, int64_t j) {
    return convert<R>(op(convert<C>(a[i]), convert<C>(b[j])));
  };
  if (so == 1 && sa == 1 && sb == 1) {
    for (int64_t i = 0; i < n; ++i) out[i] = value(i, i);
  } else if (so == 1 && sa == 1 && sb == 0) {
    const C y = convert<C>(*b);
    for (int64_t i = 0; i < n; ++i) out[i] = convert<R>(op(convert<C>(a[i]), y));
  } else if (so == 1 && sa == 0 && sb == 1) {
    const C x = convert<C>(*a);
    for (int64_t i = 0; i < n; ++i) out[i] = convert<R>(op(x, convert<C>(b[i])));
  } else {
    for (int64_t i = 0; i < n; ++i) out[i * so] = value(i * sa, i * sb);
  }
}

template <class Op>
void arithmetic(DType dtype, const Loop<3>& loop, Op op) {
  visit(dtype, [&](auto tag) {
    using T = decltype(tag);
    constexpr int64_t size = sizeof(T);
    for_each_row(loop, {size, size, size}, [&](const Row<3>& row) { binary_row<T, T>(row, op); });
  });
}

void binary(Binary op, DType dtype, const Loop<3>& loop) {
  switch (op) {
    case Binary::add:
      return arithmetic(dtype, loop, Add{});
    case Binary::subtract:
      return arithmetic(dtype, loop, Subtract{});
    case Binary::multiply:
      return arithmetic(dtype, loop, Multiply{});
    case Binary::divide:
      return arithmetic(dtype, loop, Divide{});
  }
}

void cast(DType from, DType to, const Loop<2>& loop) {
  const Converter function = converter(from, to);
  const int64_t out_size = itemsize(to), in_size = itemsize(from);
  for_each_row(loop, {out_size, in_size}, [&](const Row<2>& row) {
    function(row.data[0], row.stride[0], row.data[1], row.stride[1], row.n);
  });
}

}  // namespace

LAMINA_CPU_KERNELS(Elementwise, elementwise){&binary, &cast};

}  // namespace lamina::cpu::LAMINA_ISA

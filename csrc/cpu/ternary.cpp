// Elementwise functions of three operands.
#include "cpu/rowops.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::Ternary;
using P = const double*;

// By masks of bits: of a choice between numbers the compiler makes a jump, which random conditions mislead.
template <class T>
void where_row(char* const* data, int64_t n, P) {
  typedef Unsigned<T> Bits __attribute__((may_alias));
  Bits* out = reinterpret_cast<Bits*>(data[0]);
  const uint8_t* condition = reinterpret_cast<const uint8_t*>(data[1]);  // bools: 0 and 1
  const Bits* a = reinterpret_cast<const Bits*>(data[2]);
  const Bits* b = reinterpret_cast<const Bits*>(data[3]);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const Unsigned<T> mask = -static_cast<Unsigned<T>>(condition[i]);
    out[i] = (a[i] & mask) | (b[i] & ~mask);
  }
}

template <class T>
RowMap row(Ternary op) {
  using V = Vec<T>;
  switch (op) {
    case Ternary::where:
      return &where_row<T>;
    case Ternary::clamp:
      return vectors<T, 3>([](V x, V low, V high, P) { return minimum(maximum(x, low), high); });
    case Ternary::lerp:  // from the nearer end, so that weight 1 gives b exactly (as torch)
      if constexpr (__is_same(T, float) || __is_same(T, double))
        return vectors<T, 3>([](V a, V b, V w, P) {
          const V apart = b - a;
          return (w < T(0.5)) & (w > T(-0.5)) ? a + w * apart : b - apart * (1 - w);
        });
      __builtin_unreachable();
    case Ternary::addcmul:
      return vectors<T, 3>([](V a, V b, V c, P p) { return a + static_cast<T>(*p) * b * c; });
    case Ternary::addcdiv:
      if constexpr (__is_same(T, float) || __is_same(T, double))
        return vectors<T, 3>([](V a, V b, V c, P p) { return a + static_cast<T>(*p) * b / c; });
      __builtin_unreachable();
  }
  __builtin_unreachable();
}

}  // namespace

RowOp<4> ternary_op(Ternary op, DType compute) {
  const DType first = op == Ternary::where ? DType::boolean : compute;
  const auto result = [&](RowMap run) { return RowOp<4>{run, {compute, first, compute, compute}}; };
  switch (compute) {
    case DType::float64:
      return result(row<double>(op));
    case DType::float32:
      return result(row<float>(op));
    case DType::int64:
      return result(row<int64_t>(op));
    default:
      return result(row<int32_t>(op));
  }
}

}  // namespace lamina::cpu::LAMINA_ISA

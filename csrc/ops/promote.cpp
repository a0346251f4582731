#include "ops/promote.h"

#include <atomic>
#include <limits>
#include <optional>

namespace lamina::ops {
namespace {

std::atomic<DType> g_default{DType::float32};

// torch's rule for a category of higher priority meeting one of lower: the higher decides, unless
// it is integral and the lower floating, or it is bool.
std::optional<DType> combine(std::optional<DType> higher, std::optional<DType> lower) {
  if (!higher) return lower;
  if (!lower || is_floating(*higher)) return higher;
  if (*higher == DType::boolean || is_floating(*lower)) return promote(*higher, *lower);
  return higher;
}

}  // namespace

DType promote(DType a, DType b) {
  const DType low = std::min(a, b), high = std::max(a, b);
  if (low == DType::uint8 && high == DType::int8)
    return DType::int32;  // torch: int16, which lamina lacks
  if (low == DType::float16 && high == DType::bfloat16) return DType::float32;
  return high;
}

DType scalar_dtype(const Scalar& scalar) {
  switch (scalar.kind) {
    case Scalar::Kind::boolean:
      return DType::boolean;
    case Scalar::Kind::integer:
      return DType::int64;
    case Scalar::Kind::floating:
      break;
  }
  return default_dtype();
}

DType result_type(std::initializer_list<const Operand*> operands) {
  std::optional<DType> dimensioned, zero_dim, number;
  for (const Operand* o : operands) {
    std::optional<DType>& category = !o->array ? number : o->array->rank() ? dimensioned : zero_dim;
    const DType t = o->array ? o->array->dtype() : scalar_dtype(o->scalar);
    category = category ? promote(*category, t) : t;
  }
  return *combine(dimensioned, combine(zero_dim, number));
}

DType default_dtype() { return g_default; }

void set_default_dtype(DType dtype) {
  check<TypeError>(is_floating(dtype), "[set_default_dtype] expected a floating dtype, got ",
                   name(dtype));
  g_default = dtype;
}

void write_scalar(const Scalar& scalar, DType dtype, void* to, const char* op) {
  visit(dtype, [&](auto tag) {
    using T = decltype(tag);
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      if (scalar.kind != Scalar::Kind::floating)
        check<RuntimeError>(
            scalar.integer >= static_cast<int64_t>(std::numeric_limits<T>::min()) &&
                scalar.integer <= static_cast<int64_t>(std::numeric_limits<T>::max()),
            "[", op, "] value ", scalar.integer, " does not fit ", name(dtype));
      *static_cast<T*>(to) = scalar.kind == Scalar::Kind::floating
                                 ? static_cast<T>(static_cast<int64_t>(scalar.floating))
                                 : static_cast<T>(scalar.integer);
    } else if constexpr (std::is_same_v<T, bool>) {
      *static_cast<T*>(to) = scalar.as_double() != 0;
    } else if constexpr (std::is_same_v<T, double>) {
      *static_cast<T*>(to) = scalar.as_double();
    } else {
      *static_cast<T*>(to) = T(static_cast<float>(scalar.as_double()));
    }
  });
}

}  // namespace lamina::ops

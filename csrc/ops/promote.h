// Type promotion with torch's meaning: arrays with dimensions decide before 0-d arrays, those
// before Python numbers.
#pragma once

#include <initializer_list>

#include "core/array.h"

namespace lamina::ops {

// A Python number as it came: bool, int or float.
struct Scalar {
  enum class Kind : uint8_t { boolean, integer, floating } kind;
  union {
    int64_t integer;  // also holds a boolean
    double floating;
  };

  static Scalar of(int64_t v) { return {Kind::integer, {.integer = v}}; }
  static Scalar of(double v) { return {Kind::floating, {.floating = v}}; }
  double as_double() const {
    return kind == Kind::floating ? floating : static_cast<double>(integer);
  }
};

// An array or a Python number.
struct Operand {
  const Array* array = nullptr;
  Scalar scalar{};
};

DType promote(DType a, DType b);
DType result_type(std::initializer_list<const Operand*> operands);
DType scalar_dtype(const Scalar& scalar);  // bool, int64 or the default dtype

DType default_dtype();
void set_default_dtype(DType dtype);

// Writes `scalar` as one element of `dtype`; throws where an integer does not fit.
void write_scalar(const Scalar& scalar, DType dtype, void* to, const char* op);

}  // namespace lamina::ops

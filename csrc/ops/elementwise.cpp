#include "ops/elementwise.h"

#include "core/tape.h"
#include "kernels/registry.h"
#include "ops/loop.h"
#include "ops/reduce.h"

namespace lamina::ops {
namespace {

using kernels::Binary;
using kernels::Elementwise;
using kernels::Ternary;
using kernels::Unary;

const Dims kNoDims{};

const Dims& shape_of(const Operand& o) { return o.array ? o.array->shape() : kNoDims; }

bool is_bool(const Operand& o) {
  return o.array ? o.array->dtype() == DType::boolean : o.scalar.kind == Scalar::Kind::boolean;
}

// What kernels compute a dtype in.
DType compute_dtype(DType t) {
  if (is_floating(t)) return t == DType::float64 ? t : DType::float32;
  return t == DType::int64 ? t : DType::int32;
}

DType floating(DType t) { return is_floating(t) ? t : default_dtype(); }

// Whether a result may be written to memory of another dtype, as torch's can_cast.
bool casts_to(DType from, DType to) {
  if (is_floating(from)) return is_floating(to);
  return to != DType::boolean || from == DType::boolean;
}

// The dtypes of one call: what operands promote to, what the result has, and what the kernel
// computes in.
struct Types {
  DType operands, result, compute;
};

Types types_of(Unary op, DType a) {
  const char* op_name = name(op);
  switch (op) {
    case Unary::isnan:
    case Unary::isinf:
    case Unary::isfinite:
      return {a, DType::boolean, a == DType::float64 ? a : DType::float32};
    case Unary::logical_not:
      return {DType::boolean, DType::boolean, DType::boolean};
    case Unary::square:
      if (a == DType::boolean) return {DType::int64, DType::int64, DType::int64};
      return {a, a, compute_dtype(a)};
    case Unary::neg:
    case Unary::abs:
    case Unary::relu:
      check<TypeError>(a != DType::boolean, "[", op_name, "] expected numbers, got bool");
      return {a, a, compute_dtype(a)};
    case Unary::sign:
      return {a, a, compute_dtype(a)};
    case Unary::bitwise_not:
      check<TypeError>(!is_floating(a), "[", op_name, "] expected integers or bool, got ",
                       lamina::name(a));
      return {a, a, compute_dtype(a)};
    case Unary::floor:
    case Unary::ceil:
    case Unary::round:
    case Unary::trunc:
    case Unary::nan_to_num:
      return {a, a, a == DType::float64 ? a : DType::float32};
    case Unary::frac:
    case Unary::round_to:
    case Unary::leaky_relu:
    case Unary::elu:
    case Unary::gelu:
    case Unary::gelu_tanh:
    case Unary::silu:
    case Unary::softplus:
    case Unary::clamp:
    case Unary::selu:
    case Unary::celu:
    case Unary::log_sigmoid:
    case Unary::mish:
    case Unary::hardsigmoid:
    case Unary::hardswish:
    case Unary::softshrink:
    case Unary::hardshrink:
    case Unary::threshold:
      check<TypeError>(is_floating(a), "[", op_name, "] expected a floating dtype, got ",
                       lamina::name(a));
      return {a, a, compute_dtype(a)};
    default:
      return {floating(a), floating(a), compute_dtype(floating(a))};
  }
}

// Ops of integers that have nothing to do.
bool keeps_integers(Unary op) {
  return op == Unary::floor || op == Unary::ceil || op == Unary::round || op == Unary::trunc ||
         op == Unary::nan_to_num;
}

bool in(Binary op, Binary first, Binary last) { return op >= first && op <= last; }

Types types_of(Binary op, DType promoted) {
  const char* op_name = name(op);
  if (in(op, Binary::eq, Binary::ge)) return {promoted, DType::boolean, compute_dtype(promoted)};
  if (in(op, Binary::logical_and, Binary::logical_xor))
    return {DType::boolean, DType::boolean, DType::boolean};
  if (op == Binary::divide || in(op, Binary::atan2, Binary::xlogy) || op >= Binary::relu_backward)
    promoted = floating(promoted);
  if (in(op, Binary::bitwise_and, Binary::shift_right)) {
    const bool shift = op >= Binary::shift_left;
    check<TypeError>(!is_floating(promoted) && !(shift && promoted == DType::boolean), "[", op_name,
                     "] expected integers", shift ? "" : " or bool", ", got ",
                     lamina::name(promoted));
    if (promoted == DType::boolean) return {promoted, promoted, promoted};
  }
  if (in(op, Binary::floor_divide, Binary::pow))
    check<TypeError>(promoted != DType::boolean, "[", op_name, "] expected numbers, got bool");
  return {promoted, promoted, compute_dtype(promoted)};
}

Types types_of(Ternary op, DType promoted) {
  if (op == Ternary::lerp || op == Ternary::addcdiv)
    check<TypeError>(is_floating(promoted), "[", name(op), "] expected a floating dtype, got ",
                     lamina::name(promoted));
  if (op == Ternary::clamp)
    check<TypeError>(promoted != DType::boolean, "[clamp] expected numbers, got bool");
  return {promoted, promoted, compute_dtype(promoted)};
}

// A 0-d array on the CPU joins arrays anywhere, as a number does.
bool is_host_number(const Array& a) { return a.rank() == 0 && a.device().type == DeviceType::cpu; }

// One operand as the loop of `device` wants it; a number is written to `number`.
Operands ready(const Operand& o, Device device, const Types& types, const Dims& shape, DType& dtype,
               uint64_t& number, const char* op) {
  if (o.array) {
    dtype = o.array->dtype();
    return {o.array->raw(), broadcast_strides(*o.array, shape), o.array->device() != device};
  }
  // Checked against the promoted dtype; comparisons also see it rounded to it, arithmetic keeps it
  // as it is.
  dtype = types.result == DType::boolean ? types.operands : types.compute;
  write_scalar(o.scalar, types.operands, &number, op);
  if (dtype != types.operands) write_scalar(o.scalar, dtype, &number, op);
  return {&number, Dims::filled(shape.size(), 0), true};
}

// The result's memory: `out` or new, in the order of the first operand that has the full shape.
template <int N>
Array allocate(const Operand* const (&operands)[N], const Dims& shape, DType dtype,
               const Array* out, const char* op, bool& detour) {
  Device device = out ? out->device() : Device{};
  const Array* like = nullptr;
  bool first = !out;
  for (const Operand* o : operands) {
    if (!o->array || is_host_number(*o->array)) continue;
    check(first || o->array->device() == device, "[", op,
          "] expected all operands on one device, got ", lamina::name(device), " and ",
          lamina::name(o->array->device()));
    device = o->array->device();
    first = false;
    if (!like && o->array->shape() == shape) like = o->array;
  }
  if (!out) return like ? Array::empty_like(*like, dtype) : Array::empty(shape, dtype, device, op);
  check(shape == out->shape(), "[", op, "] expected an output of shape ", shape, ", got ",
        out->shape());
  check<TypeError>(casts_to(dtype, out->dtype()), "[", op, "] result type ", lamina::name(dtype),
                   " can't be written to ", lamina::name(out->dtype()));
  begin_write(*out, op);
  for (const Operand* o : operands) detour |= o->array && clashes(*out, *o->array);
  return detour ? Array::empty_like(*out, out->dtype()) : *out;
}

template <class Op, int N, class Kernel>
Array run(Op op, const Operand* const (&operands)[N], const Types& types,
          const Parameters& parameters, const Array* out, Kernel kernel) {
  const char* op_name = name(op);
  Dims shape = shape_of(*operands[0]);
  for (int k = 1; k < N; ++k) shape = broadcast_shapes(shape, shape_of(*operands[k]), op_name);
  bool detour = false;
  Array result = allocate(operands, shape, types.result, out, op_name, detour);
  if (result.numel() > 0) {
    DType dtypes[N + 1] = {result.dtype()};
    uint64_t numbers[N] = {};
    std::array<Operands, N + 1> ready_operands;
    ready_operands[0] = {result.raw(), result.strides()};
    for (int k = 0; k < N; ++k)
      ready_operands[k + 1] =
          ready(*operands[k], result.device(), types, shape, dtypes[k + 1], numbers[k], op_name);
    const auto loop = make_loop<N + 1>(shape, ready_operands);
    (kernels::on<Elementwise>(result.device()).*kernel)(op, types.compute, dtypes, loop,
                                                        parameters.p);
  }
  if (!detour) return result;
  copy_to(*out, result);
  return *out;
}

// Integer division by zero has no result; torch raises too.
void check_divisor(Binary op, const Operand& b) {
  const auto demand = [op](bool ok) {
    check<RuntimeError>(ok, "[", name(op), "] integer division by zero");
  };
  if (!b.array) return demand(b.scalar.as_double() != 0);
  if (b.array->numel() == 0) return;
  check_values([demand, divisor = *b.array] {
    demand(element<bool>(reduce(kernels::Reduce::all, divisor, {}), "div"));
  });
}

// Bounds as elements of the dtype, so that an element that equals one does so in any arithmetic.
Parameters as_elements(const Parameters& parameters, DType dtype) {
  if (dtype == DType::float64) return parameters;
  Parameters rounded;
  for (int i = 0; i < 3; ++i) {
    const float x = static_cast<float>(parameters.p[i]);
    rounded.p[i] = dtype == DType::float16    ? static_cast<float>(float16(x))
                   : dtype == DType::bfloat16 ? static_cast<float>(bfloat16(x))
                                              : x;
  }
  return rounded;
}

}  // namespace

Array unary(Unary op, const Array& a, const Parameters& parameters, const Array* out) {
  const Operand operand{&a};
  const Operand* const operands[] = {&operand};
  if (keeps_integers(op) && !is_floating(a.dtype())) {
    if (!out) return clone(a);
    begin_write(*out, name(op));
    copy_to(*out, a);
    return *out;
  }
  const Types types = types_of(op, a.dtype());
  if (op == Unary::clamp)
    return run(op, operands, types, as_elements(parameters, a.dtype()), out, &Elementwise::unary);
  return run(op, operands, types, parameters, out, &Elementwise::unary);
}

Array binary(Binary op, const Operand& a, const Operand& b, const Parameters& parameters,
             const Array* out) {
  const Operand* const operands[] = {&a, &b};
  if (op == Binary::subtract || op == Binary::subtract_scaled)
    check<TypeError>(!is_bool(a) && !is_bool(b),
                     "[sub] expected numbers, got bool; use ^ or logical_xor, ~ to invert a mask");
  const Types types = types_of(op, result_type({&a, &b}));
  if (in(op, Binary::floor_divide, Binary::fmod) && !is_floating(types.operands))
    check_divisor(op, b);
  if (op == Binary::clamp_backward || op == Binary::hardtanh_backward)
    return run(op, operands, types, as_elements(parameters, types.operands), out,
               &Elementwise::binary);
  return run(op, operands, types, parameters, out, &Elementwise::binary);
}

Array ternary(Ternary op, const Operand& a, const Operand& b, const Operand& c,
              const Parameters& parameters, const Array* out) {
  const Operand* const operands[] = {&a, &b, &c};
  if (op == Ternary::where)
    check<TypeError>(a.array && a.array->dtype() == DType::boolean,
                     "[where] expected a condition of dtype bool", a.array ? ", got " : "",
                     a.array ? lamina::name(a.array->dtype()) : "");
  const DType promoted = op == Ternary::where ? result_type({&b, &c}) : result_type({&a, &b, &c});
  return run(op, operands, types_of(op, promoted), parameters, out, &Elementwise::ternary);
}

const char* name(Unary op) {
  constexpr const char* names[] = {
      "neg",         "abs",        "sign",        "square",    "bitwise_not", "relu",
      "logical_not", "floor",      "ceil",        "round",     "trunc",       "frac",
      "sqrt",        "rsqrt",      "reciprocal",  "exp",       "exp2",        "expm1",
      "log",         "log2",       "log10",       "log1p",     "sin",         "cos",
      "tan",         "asin",       "acos",        "atan",      "sinh",        "cosh",
      "tanh",        "sigmoid",    "erf",         "erfc",      "lgamma",      "digamma",
      "erfinv",      "acosh",      "asinh",       "atanh",     "isnan",       "isinf",
      "isfinite",    "nan_to_num", "round",       "polygamma", "pow",         "leaky_relu",
      "elu",         "gelu",       "gelu",        "silu",      "softplus",    "clamp",
      "selu",        "celu",       "log_sigmoid", "mish",      "hardsigmoid", "hardswish",
      "softshrink",  "hardshrink", "threshold"};
  static_assert(std::size(names) == static_cast<size_t>(Unary::threshold) + 1);
  return names[static_cast<int>(op)];
}

const char* name(Binary op) {
  constexpr const char* names[] = {"add",
                                   "sub",
                                   "mul",
                                   "div",
                                   "floor_divide",
                                   "div",
                                   "remainder",
                                   "fmod",
                                   "pow",
                                   "maximum",
                                   "minimum",
                                   "fmax",
                                   "fmin",
                                   "atan2",
                                   "logaddexp",
                                   "logaddexp2",
                                   "hypot",
                                   "copysign",
                                   "xlogy",
                                   "eq",
                                   "ne",
                                   "lt",
                                   "le",
                                   "gt",
                                   "ge",
                                   "logical_and",
                                   "logical_or",
                                   "logical_xor",
                                   "bitwise_and",
                                   "bitwise_or",
                                   "bitwise_xor",
                                   "bitwise_left_shift",
                                   "bitwise_right_shift",
                                   "relu_backward",
                                   "leaky_relu_backward",
                                   "elu_backward",
                                   "sigmoid_backward",
                                   "tanh_backward",
                                   "gelu_backward",
                                   "gelu_backward",
                                   "silu_backward",
                                   "softplus_backward",
                                   "clamp_backward",
                                   "hardtanh_backward",
                                   "selu_backward",
                                   "celu_backward",
                                   "log_sigmoid_backward",
                                   "mish_backward",
                                   "hardsigmoid_backward",
                                   "hardswish_backward",
                                   "shrink_backward",
                                   "threshold_backward",
                                   "add",
                                   "sub"};
  static_assert(std::size(names) == static_cast<size_t>(Binary::subtract_scaled) + 1);
  return names[static_cast<int>(op)];
}

const char* name(Ternary op) {
  constexpr const char* names[] = {"where", "clamp", "lerp", "addcmul", "addcdiv"};
  return names[static_cast<int>(op)];
}

}  // namespace lamina::ops

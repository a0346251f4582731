#include "ops/elementwise.h"

#include <optional>

#include "kernels/registry.h"
#include "ops/loop.h"

namespace lamina::ops {
namespace {

using kernels::Binary;
using kernels::Elementwise;

const char* op_name(Binary op) {
  constexpr const char* names[] = {"add", "sub", "mul", "div"};
  return names[static_cast<int>(op)];
}

const Dims kNoDims{};

const Dims& shape_of(const Operand& o) { return o.array ? o.array->shape() : kNoDims; }

DType compute_dtype(Binary op, const Operand& a, const Operand& b) {
  const DType t = result_type(a, b);
  return op == Binary::divide && !is_floating(t) ? default_dtype() : t;
}


// An operand of the loop: cast to the computation's dtype (into `held`), a number written into `number`.
Operands ready(const Operand& o, DType dtype, const Dims& shape, const char* op, std::optional<Array>& held,
               uint64_t& number) {
  if (!o.array) {
    write_scalar(o.scalar, dtype, &number, op);
    return {&number, Dims::filled(shape.size(), 0)};
  }
  const Array* array = o.array;
  if (array->dtype() != dtype) array = &held.emplace(cast(*array, dtype));
  return {array->raw(), broadcast_strides(*array, shape)};
}

Device device_of(const Operand& a, const Operand& b, const char* op) {
  if (a.array && b.array)
    check(a.array->device() == b.array->device(), "[", op, "] expected both operands on one device, got ",
          name(a.array->device()), " and ", name(b.array->device()));
  return a.array ? a.array->device() : b.array->device();
}

void run(Binary op, DType dtype, const Operand& a, const Operand& b, const Array& out) {
  if (out.numel() == 0) return;
  std::optional<Array> held_a, held_b;
  uint64_t number_a = 0, number_b = 0;
  const auto loop = make_loop<3>(
      out.shape(), {{{out.raw(), out.strides()},
                     ready(a, dtype, out.shape(), op_name(op), held_a, number_a),
                     ready(b, dtype, out.shape(), op_name(op), held_b, number_b)}});
  kernels::on<Elementwise>(out.device()).binary(op, dtype, loop);
}

// Whether a result may be written to memory of another dtype, as torch's can_cast.
bool casts_to(DType from, DType to) {
  if (is_floating(from)) return is_floating(to);
  return to != DType::boolean || from == DType::boolean;
}

// The operand whose memory order the result takes: the first with the result's full shape.
const Array* layout_of(const Operand& a, const Operand& b, const Dims& shape) {
  for (const Operand* o : {&a, &b})
    if (o->array && o->array->shape() == shape) return o->array;
  return nullptr;
}

}  // namespace

Array binary(Binary op, const Operand& a, const Operand& b) {
  const Dims shape = broadcast_shapes(shape_of(a), shape_of(b), op_name(op));
  const DType dtype = compute_dtype(op, a, b);
  const Device device = device_of(a, b, op_name(op));
  const Array* like = layout_of(a, b, shape);
  Array out = like ? Array::empty_like(*like, dtype) : Array::empty(shape, dtype, device, op_name(op));
  run(op, dtype, a, b, out);
  return out;
}

void binary_out(Binary op, const Operand& a, const Operand& b, const Array& out) {
  const Dims shape = broadcast_shapes(shape_of(a), shape_of(b), op_name(op));
  const DType dtype = compute_dtype(op, a, b);
  check(shape == out.shape(), "[", op_name(op), "] expected an output of shape ", shape, ", got ", out.shape());
  check<TypeError>(casts_to(dtype, out.dtype()),
                   "[", op_name(op), "] result type ", name(dtype), " can't be written to ", name(out.dtype()));
  device_of(a, b, op_name(op));
  begin_write(out, op_name(op));
  if (out.dtype() == dtype) return run(op, dtype, a, b, out);
  const Array result = Array::empty_like(out, dtype);
  run(op, dtype, a, b, result);
  copy_to(out, result);
}

void begin_write(const Array& dst, const char* op) {
  check<RuntimeError>(!dst.storage()->read_only, "[", op, "] this memory is read-only; clone() it first");
  for (int d = 0; d < dst.rank(); ++d)
    check<RuntimeError>(dst.size(d) < 2 || dst.strides()[d] != 0, "[", op,
                        "] several elements share one place in memory (an expanded array); clone() it first");
  dst.storage()->version.fetch_add(1, std::memory_order_relaxed);
}

void copy_to(const Array& dst, const Array& src) {
  const Dims shape = broadcast_shapes(dst.shape(), src.shape(), "copy_");
  check(shape == dst.shape(), "[copy_] expected a source that broadcasts to ", dst.shape(), ", got ",
        src.shape());
  if (dst.numel() == 0) return;
  const auto loop = make_loop<2>(
      shape, {{{dst.raw(), dst.strides()}, {src.raw(), broadcast_strides(src, shape)}}});
  kernels::on<Elementwise>(dst.device()).cast(src.dtype(), dst.dtype(), loop);
}

Array cast(const Array& a, DType dtype) {
  if (a.dtype() == dtype) return a;
  Array out = Array::empty_like(a, dtype);
  copy_to(out, a);
  return out;
}

Array clone(const Array& a) {
  Array out = Array::empty_like(a, a.dtype());
  copy_to(out, a);
  return out;
}

Array contiguous(const Array& a) {
  if (a.is_contiguous()) return a;
  Array out = Array::empty(a.shape(), a.dtype(), a.device(), "contiguous");
  copy_to(out, a);
  return out;
}

Array channels_last(const Array& a) {
  if (a.is_channels_last()) return a;
  Array out = Array::empty_channels_last(a.shape(), a.dtype(), a.device(), "channels_last");
  copy_to(out, a);
  return out;
}

void fill(const Array& dst, const Scalar& value) {
  begin_write(dst, "fill_");
  if (dst.numel() == 0) return;
  uint64_t number = 0;
  write_scalar(value, dst.dtype(), &number, "fill_");
  const auto loop = make_loop<2>(
      dst.shape(), {{{dst.raw(), dst.strides()}, {&number, Dims::filled(dst.rank(), 0)}}});
  kernels::on<Elementwise>(dst.device()).cast(dst.dtype(), dst.dtype(), loop);
}

}  // namespace lamina::ops

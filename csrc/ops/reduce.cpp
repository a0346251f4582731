#include "ops/reduce.h"

#include <limits>

#include "kernels/registry.h"
#include "ops/elementwise.h"
#include "ops/shape.h"

namespace lamina::ops {
namespace {

using kernels::Reduce;
using kernels::Reduction;

const char* op_name(Reduce op) {
  constexpr const char* names[] = {"sum",  "mean",   "prod",   "amax", "amin", "any",  "all",
                                   "norm", "norm",   "norm",   "norm", "norm", "norm", "var",
                                   "std",  "argmax", "argmin", "max",  "min"};
  return names[static_cast<int>(op)];
}

bool is_norm(Reduce op) { return op >= Reduce::norm0 && op <= Reduce::norm_p; }
bool is_moment(Reduce op) { return op == Reduce::var || op == Reduce::std; }
bool is_index(Reduce op) { return op >= Reduce::argmax; }
bool is_test(Reduce op) { return op == Reduce::any || op == Reduce::all; }

// Whether there is no result over no elements.
bool needs_elements(Reduce op) {
  return op == Reduce::amax || op == Reduce::amin || op == Reduce::norm_inf ||
         op == Reduce::norm_neg_inf || is_index(op);
}

// The dtype of the result.
DType result_dtype(Reduce op, const Array& a, std::optional<DType> dtype) {
  if (is_test(op)) return a.dtype() == DType::uint8 ? DType::uint8 : DType::boolean;
  if (op == Reduce::argmax || op == Reduce::argmin) return DType::int64;
  const DType t = dtype.value_or(a.dtype());
  if (op == Reduce::mean || is_norm(op) || is_moment(op)) {
    check<TypeError>(is_floating(t), "[", op_name(op), "] expected a floating dtype, got ",
                     name(t));
  } else if ((op == Reduce::sum || op == Reduce::prod) && !dtype && !is_floating(t)) {
    return DType::int64;
  }
  return t;
}

DType compute_dtype(Reduce op, DType in, DType result) {
  if (is_test(op)) return DType::boolean;
  const DType t = is_index(op) ? in : result;
  return t == DType::float64 ? DType::float64 : is_floating(t) ? DType::float32 : DType::int64;
}

unsigned reduced_dims(const Array& a, const std::optional<Dims>& dims, const char* op) {
  if (!dims || dims->empty()) return ~0u;
  unsigned reduced = 0;
  for (int64_t d : *dims) {
    const int dim = wrap_dim(d, a.rank(), op);
    check(!(reduced >> dim & 1u), "[", op, "] expected each dimension once, got ", *dims);
    reduced |= 1u << dim;
  }
  return reduced;
}

Dims output_shape(const Array& a, unsigned reduced, bool keepdim) {
  Dims shape;
  for (int d = 0; d < a.rank(); ++d) {
    if (!(reduced >> d & 1u))
      shape.push_back(a.size(d));
    else if (keepdim)
      shape.push_back(1);
  }
  return shape;
}

// Adds a dimension inside those that a group has, or merges it with the last where both strides
// continue.
void append(int& rank, int64_t* shape, int64_t* in, int64_t* out, int64_t size, int64_t in_stride,
            int64_t out_stride) {
  if (rank > 0 && in[rank - 1] == in_stride * size &&
      (!out || out[rank - 1] == out_stride * size)) {
    shape[rank - 1] *= size;
  } else {
    shape[rank++] = size;
  }
  in[rank - 1] = in_stride;
  if (out) out[rank - 1] = out_stride;
}

Reduction plan(const Array& a, unsigned reduced, const Dims& kept_strides) {
  int order[kMaxRank], n = 0;
  for (int d = 0; d < a.rank(); ++d)
    if (a.size(d) != 1) order[n++] = d;
  std::stable_sort(order, order + n, [&](int x, int y) {
    return std::abs(a.strides()[x]) > std::abs(a.strides()[y]);
  });
  Reduction r{};
  for (int i = 0; i < n; ++i) {
    const int d = order[i];
    if (reduced >> d & 1u)
      append(r.reduced, r.reduced_shape, r.reduced_in, nullptr, a.size(d), a.strides()[d], 0);
    else
      append(r.kept, r.kept_shape, r.kept_in, r.kept_out, a.size(d), a.strides()[d],
             kept_strides[d]);
  }
  r.in = a.raw();
  r.in_dtype = a.dtype();
  return r;
}

void fill_empty(Reduce op, const Array& out) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  if (op == Reduce::mean || is_moment(op)) return fill(out, Scalar::of(nan));
  fill(out, Scalar::of(static_cast<int64_t>(op == Reduce::prod || op == Reduce::all)));
}

void run(Reduce op, const Array& a, const ReduceOptions& options, const Array& out,
         const Array* second, unsigned reduced) {
  if (out.numel() == 0) return;
  if (a.numel() == 0) {
    check<IndexError>(!needs_elements(op), "[", op_name(op),
                      "] expected at least one element to reduce, got shape ", a.shape());
    fill_empty(op, out);
    if (second) fill_empty(op, *second);
    return;
  }
  Dims kept_strides;  // of the output, for each input dimension
  for (int d = 0, o = 0; d < a.rank(); ++d) {
    const bool gone = reduced >> d & 1u;
    kept_strides.push_back(gone ? 0 : out.strides()[o]);
    o += !gone || options.keepdim;
  }
  Reduction r = plan(a, reduced, kept_strides);
  r.out = out.raw();
  r.out_dtype = out.dtype();
  r.second = second ? second->raw() : nullptr;
  r.compute = compute_dtype(op, a.dtype(), out.dtype());
  r.parameter = options.parameter;
  kernels::on<kernels::Reducers>(a.device()).reduce(op, r);
}

// Index reductions over all dimensions count positions in row-major order.
Array flattened(Reduce op, const Array& a, const ReduceOptions& options) {
  if (!is_index(op) || options.dims || a.rank() == 1) return a;
  return reshape(a, Dims{a.numel()});
}

}  // namespace

Array reduce(Reduce op, const Array& input, const ReduceOptions& options) {
  const Array a = flattened(op, input, options);
  const unsigned reduced = reduced_dims(a, options.dims, op_name(op));
  const DType dtype = result_dtype(op, a, options.dtype);
  const Array out =
      Array::empty(output_shape(a, reduced, options.keepdim), dtype, a.device(), op_name(op));
  run(op, a, options, out, nullptr, reduced);
  if (a.rank() == input.rank() || !options.keepdim) return out;
  const Dims ones = Dims::filled(input.rank(), 1);
  return out.view(ones, ones, 0);
}

std::pair<Array, Array> reduce_pair(Reduce op, const Array& a, const ReduceOptions& options) {
  const unsigned reduced = reduced_dims(a, options.dims, op_name(op));
  const DType dtype = result_dtype(op, a, options.dtype);
  const Dims shape = output_shape(a, reduced, options.keepdim);
  const Array out = Array::empty(shape, dtype, a.device(), op_name(op));
  const Array second =
      Array::empty(shape, is_index(op) ? DType::int64 : dtype, a.device(), op_name(op));
  run(op, a, options, out, &second, reduced);
  return {out, second};
}

Array sum_to(const Array& a, const Dims& shape) {
  if (a.shape() == shape) return a;
  const int lead = a.rank() - shape.size();
  bool fits = lead >= 0;
  Dims dims;
  for (int d = 0; fits && d < a.rank(); ++d) {
    const int64_t size = d < lead ? 1 : shape[d - lead];
    if (d >= lead && size == a.size(d)) continue;
    fits = size == 1;
    dims.push_back(d);
  }
  check(fits, "[sum_to_size] expected sizes that broadcast to shape ", a.shape(), ", got ", shape);
  return reshape(reduce(Reduce::sum, a, {dims, true, std::nullopt, 0}), shape);
}

}  // namespace lamina::ops
